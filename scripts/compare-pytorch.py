#!/usr/bin/env python3
"""Measures PyTorch's batch norm on the shapes of `batchnorm check-gpu`, and adds the times to the same results file.

    scripts/compare-pytorch.py --json check-gpu.jsonl            on the first CUDA device, after check-gpu on it
    scripts/compare-pytorch.py --device cpu --shape 1024x256     on the CPU
    scripts/compare-pytorch.py --list                            what would be measured; needs no PyTorch

Operations as there: inference (running statistics), forward (training), backward (dx, dweight and dbias of a training forward), and a
copy of x. Each is checked against double precision first, then timed eager and, but for the copy, through torch.compile.

On a GPU each by three measures: "kernel", CUDA events around calls that the host has issued before the GPU begins (so that launching them
costs nothing), with warm caches (calls follow each other on the same data) and with cold ones (a buffer larger than the L2 cache is
written before each call, outside the timed region); and "wall", the wall clock around a call and the wait for it, as check-gpu's
execute() is. On a CPU by the wall clock, warm.

One JSON object a line, in the schema of org.batchnorm.bench.jmh.results.Measurement; a row of the same point, commit, Python and machine
replaces the old one. If the file has rows of check-gpu on the same device, machine and commit, the rows continue their run, and `plot`
draws both with the ratio between them. Needs nothing but PyTorch.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

SHAPES = [
    "65536x1024",
    "60x100",
    "8388608x8",
    "256x262144",
    "64x256x64x64",
    "16x256",
    "64x256",
    "256x256",
    "1024x256",
    "4096x256",
    "16384x256",
    "65536x256",
    "64x2048x7x7",
    "8192x4096",
    "64x256x64x64:channels-last",
    "1024x1024",
    "32x64x56x56",
    "25165824x3",
]
TENSORS = {"inference": 2, "forward": 3, "backward": 5, "copy": 2}
CHANNELS_LAST = ":channels-last"
EPS = 1e-5


def extents(shape):
    return [int(extent) for extent in shape.removesuffix(CHANNELS_LAST).split("x")]


def elements(shape):
    product = 1
    for extent in extents(shape):
        product *= extent
    return product


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("check-gpu.jsonl"), help="the results file")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, cpu; default: cuda")
    parser.add_argument("--shape", default=",".join(SHAPES), help="NxC, NxCxL or NxCxHxW, comma-separated")
    parser.add_argument("--samples", type=int, default=15, help="samples of each measurement; default: 15")
    parser.add_argument("--sample-ms", type=float, default=20, help="milliseconds of a warm sample; default: 20")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--list", action="store_true", help="print what would be measured, and stop")
    arguments = parser.parse_args()
    arguments.shapes = arguments.shape.split(",")
    for shape in arguments.shapes:
        try:
            valid = len(extents(shape)) >= 2 and min(extents(shape)) >= 1
        except ValueError:
            valid = False
        if not valid:
            parser.error(f"--shape: {shape} given, must look like 1024x256, 32x64x56x56 or 32x64x56x56{CHANNELS_LAST}")
    if arguments.samples < 1 or arguments.sample_ms <= 0:
        parser.error("--samples and --sample-ms must be positive")
    return arguments


class Timer:
    """Milliseconds per call, one value a sample."""

    # Cycles of a GPU in a second, or more: what the host is ahead by shall not be too short.
    CLOCK_RATE = 2.5e9
    # Calls that the host can issue before the queue to the GPU is full and it has to wait.
    CALLS_AHEAD = 100

    def __init__(self, torch, device, samples, sample_ms):
        self.torch = torch
        self.device = device
        self.cuda = device.type == "cuda"
        self.samples = samples
        self.sample_ms = sample_ms
        if self.cuda:
            cache = torch.cuda.get_device_properties(device).L2_cache_size
            self.flush = torch.empty(max(4 * cache, 256 << 20), dtype=torch.uint8, device=device)

    def measures(self):
        """Clock and cache of each measure."""
        return [("kernel", "warm"), ("kernel", "cold"), ("wall", "warm")] if self.cuda else [("wall", "warm")]

    def take(self, call, clock, cache):
        if cache == "cold":
            return self._cold(call)
        return self._warm(call, self._events if clock == "kernel" else self._wall)

    def _warm(self, call, timed):
        calls = 1
        deadline = time.perf_counter() + 0.3
        while time.perf_counter() < deadline:
            calls = max(1, round(self.sample_ms / max(timed(call, calls), 1e-4)))
            if timed == self._events:
                calls = min(calls, self.CALLS_AHEAD)
        return [timed(call, calls) for _ in range(self.samples)]

    def _cold(self, call):
        def sample():
            self.flush.fill_(0)
            return self._events(call, 1)

        sample()
        return [sample() for _ in range(self.samples)]

    def _wall(self, call, calls):
        start = time.perf_counter()
        for _ in range(calls):
            call()
            if self.cuda:
                self.torch.cuda.synchronize(self.device)
        return (time.perf_counter() - start) * 1e3 / calls

    def _events(self, call, calls):
        """The GPU sleeps until the host has issued all calls; what it then takes for them is its own time."""
        seconds = self._issuing(call) * calls * 1.5 + 100e-6
        start, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.torch.cuda._sleep(int(seconds * self.CLOCK_RATE))
        start.record()
        for _ in range(calls):
            call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / calls

    def _issuing(self, call):
        """The seconds that the host needs to issue a call; kept, for it hardly changes."""
        if getattr(self, "_issued", None) is not call:
            call()
            self.torch.cuda.synchronize(self.device)
            start = time.perf_counter()
            for _ in range(5):
                call()
            self._issue_seconds = (time.perf_counter() - start) / 5
            self.torch.cuda.synchronize(self.device)
            self._issued = call
        return self._issue_seconds


def operations(torch, shape, device, compiled):
    """The calls to time, by operation: functions of no arguments, after a check against double precision."""
    generator = torch.Generator(device=device).manual_seed(1)
    channels_last = shape.endswith(CHANNELS_LAST)
    size = extents(shape)
    features = size[1]

    def tensor():
        values = torch.randn(size, generator=generator, device=device)
        return values.movedim(1, -1).contiguous().movedim(-1, 1) if channels_last else values

    x, dy = tensor(), tensor()
    weight = torch.rand(features, generator=generator, device=device) + 0.5
    bias = torch.rand(features, generator=generator, device=device)
    mean = torch.rand(features, generator=generator, device=device)
    variance = torch.rand(features, generator=generator, device=device) + 0.5
    running = [mean.clone(), variance.clone()]
    batch_norm = torch.nn.functional.batch_norm

    def inference(values):
        return batch_norm(values, mean, variance, weight, bias, False, 0.1, EPS)

    def forward(values):
        return batch_norm(values, *running, weight, bias, True, 0.1, EPS)

    trained = x.detach().clone().requires_grad_()
    parameters = [weight.clone().requires_grad_(), bias.clone().requires_grad_()]

    def with_gradients(values, gamma, beta):
        return batch_norm(values, *running, gamma, beta, True, 0.1, EPS)

    if compiled:
        # Else the ninth shape would not be compiled any more, and a compiled backward could run once only.
        torch._dynamo.reset()
        import torch._functorch.config as functorch

        if hasattr(functorch, "donated_buffer"):
            functorch.donated_buffer = False
        inference, forward, with_gradients = (
            torch.compile(function, dynamic=False) for function in (inference, forward, with_gradients)
        )
    y = with_gradients(trained, *parameters)
    calls = {
        "inference": lambda: inference(x),
        "forward": lambda: forward(x),
        "backward": lambda: torch.autograd.grad(y, [trained, *parameters], dy, retain_graph=True),
    }
    for feature in {0, features - 1}:
        check(torch, shape, feature, calls, x, dy, weight, bias, mean, variance)
    if not compiled:
        target = torch.empty_like(x)
        calls["copy"] = lambda: target.copy_(x)
    return calls


def check(torch, shape, feature, calls, x, dy, weight, bias, mean, variance):
    """Compares one feature of every operation with double precision: whoever computes something else is not timed."""
    values, dvalues = (tensor.select(1, feature).double() for tensor in (x, dy))
    gamma, beta = weight[feature].double(), bias[feature].double()
    rstd = 1 / (values.var(unbiased=False) + EPS).sqrt()
    normalized = (values - values.mean()) * rstd
    count = values.numel()
    expected = {
        "inference": gamma * (values - mean[feature].double()) / (variance[feature].double() + EPS).sqrt() + beta,
        "forward": gamma * normalized + beta,
        "backward": gamma
        * rstd
        * (dvalues - dvalues.sum() / count - normalized * (dvalues * normalized).sum() / count),
    }
    for operation, exact in expected.items():
        result = without_gradients(torch, operation, calls[operation])()
        result = result[0] if operation == "backward" else result
        error = (result.select(1, feature).double() - exact).abs().max().item()
        if not error <= 1e-4 * exact.abs().max().item():
            raise RuntimeError(f"{operation} on {shape} is off by {error} in feature {feature}; not timed")


def without_gradients(torch, operation, call):
    if operation == "backward":
        return call

    def quiet():
        with torch.no_grad():
            return call()

    return quiet


def git_commit():
    root = pathlib.Path(__file__).resolve().parent.parent
    packaged = root / "commit"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8").strip()
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() or "unknown"
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def cpu_model():
    """As org.batchnorm.bench.jmh.results.Environment names the machine."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            told = {}
            for line in lines:
                key, _, value = line.partition(":")
                told.setdefault(key.strip(), value.strip())
    except OSError:
        return platform.machine()
    family = told.get("cpu family", "")
    return told.get("model name", "") + (f" (family {family}, model {told.get('model', '')})" if family else "")


def current_run(file, device):
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    commit = git_commit()
    run = {
        "id": date.replace("-", "").replace(":", "") + "-" + commit,
        "date": date,
        "commit": commit,
        "java": "none (Python " + platform.python_version() + ")",
        "machine": cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "os": platform.system() + " " + platform.release(),
    }
    for row in read(file):
        same = all(row["run"][key] == run[key] for key in ("commit", "machine", "cores"))
        if same and row["point"]["library"] == "batchnorm" and row["point"]["device"] == device:
            run["id"] = row["run"]["id"]
    return run


def rounded(value):
    return float(f"{value:.5g}")


def measurement(run, point, samples, copy, version, detail):
    ordered = sorted(samples)
    median = statistics.median(ordered)
    if len(ordered) > 1:
        lower, _, upper = statistics.quantiles(ordered, n=4, method="inclusive")
    else:
        lower = upper = median
    bandwidth = TENSORS[point["operation"]] * 4 * elements(point["shape"]) / median / 1e6
    result = {
        "milliseconds": rounded(median),
        "lowerQuartile": rounded(lower),
        "upperQuartile": rounded(upper),
        "best": rounded(ordered[0]),
        "samples": len(ordered),
        "gigabytesPerSecond": rounded(bandwidth),
    }
    if copy:
        result["copyShare"] = rounded(bandwidth / copy)
    result["version"] = version
    result["detail"] = detail
    return {"point": point, "run": run, "result": result}


def identity(row):
    run = row["run"]
    return json.dumps([row["point"], run["commit"], run["java"], run["machine"], run["cores"]], sort_keys=True)


def read(file):
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def append(file, rows):
    """Adds rows to a results file, which a reader never sees half written; what a failure leaves is the old file."""
    everything = {identity(row): row for row in read(file)}
    for row in rows:
        everything.pop(identity(row), None)
        everything[identity(row)] = row
    target = file.resolve()  # A symbolic link stays one.
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".results-{os.getpid()}.part")
    try:
        with open(part, "w", encoding="utf-8") as out:
            for row in everything.values():
                out.write(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n")
        if target.exists():
            shutil.copymode(target, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def main():
    arguments = parse_arguments()
    variants = ["eager"] if arguments.no_compile else ["eager", "compiled"]
    if arguments.list:
        for shape in arguments.shapes:
            for variant in variants:
                for operation in TENSORS:
                    if operation != "copy" or variant == "eager":
                        print(shape, operation, variant)
        return 0
    try:
        import torch
    except ImportError as error:
        print(f"compare-pytorch: PyTorch is not here ({error}); install it with pip install torch", file=sys.stderr)
        return 1
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("compare-pytorch: PyTorch finds no CUDA device; --device cpu measures on the CPU", file=sys.stderr)
        return 1
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.set_device(device)
    name = torch.cuda.get_device_name(device) if cuda else "cpu"
    detail = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}" if cuda else "wall clock"
    timer = Timer(torch, device, arguments.samples, arguments.sample_ms)
    run = current_run(arguments.json, name)
    failures = 0
    print(f"{'shape':28} {'operation':10} {'variant':9} {'clock':6} {'cache':5} {'ms':>10} {'GB/s':>9} {'of copy':>8}")
    for shape in arguments.shapes:
        copy = {}
        for variant in variants:
            try:
                calls = operations(torch, shape, device, variant == "compiled")
            except Exception as error:  # What the compiler cannot do is told, and the rest goes on.
                failures += 1
                print(f"{shape} {variant} failed: {error}", file=sys.stderr)
                continue
            for operation in sorted(calls, key=lambda each: each != "copy"):
                call = without_gradients(torch, operation, calls[operation])
                rows = []
                for clock, cache in timer.measures():
                    point = {
                        "operation": operation,
                        "shape": shape,
                        "memory": "device" if cuda else "native",
                        "library": "pytorch",
                        "variant": variant,
                        "device": name,
                        "threads": 0 if cuda else torch.get_num_threads(),
                        "resident": True,
                        "clock": clock,
                        "cache": cache,
                        "phase": "steady",
                    }
                    samples = timer.take(call, clock, cache)
                    row = measurement(run, point, samples, copy.get((clock, cache)), torch.__version__, detail)
                    if operation == "copy":
                        copy[clock, cache] = row["result"]["gigabytesPerSecond"]
                    rows.append(row)
                    result = row["result"]
                    share = f"{100 * result['copyShare']:7.1f}%" if "copyShare" in result else f"{'':8}"
                    print(
                        f"{shape:28} {operation:10} {variant:9} {clock:6} {cache:5} {result['milliseconds']:10.4f}"
                        f" {result['gigabytesPerSecond']:9.1f} {share}",
                        flush=True,
                    )
                append(arguments.json, rows)
    print(f"The results are in {arguments.json}.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
