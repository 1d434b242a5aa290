"""The protocol of the experiment `convergence` in PyTorch: test accuracy after 100, 500 and 1,000 steps, a line a seed.

python3 reference.py path/to/mnist [--batch-norm] [--seeds 4]
"""

import argparse
import gzip
import pathlib

import torch

STEPS = (100, 500, 1000)


def idx(folder, name, header):
    data = gzip.open(pathlib.Path(folder) / (name + ".gz")).read()
    return torch.frombuffer(bytearray(data[header:]), dtype=torch.uint8)


def images(folder, name):
    return idx(folder, name + "-images-idx3-ubyte", 16).reshape(-1, 784).float() / 255


def labels(folder, name):
    return idx(folder, name + "-labels-idx1-ubyte", 8).long()


def network(batch_norm):
    layers = []
    width = 784
    for _ in range(3):
        layers.append(torch.nn.Linear(width, 100))
        layers += [torch.nn.BatchNorm1d(100)] if batch_norm else []
        layers.append(torch.nn.Sigmoid())
        width = 100
    layers.append(torch.nn.Linear(width, 10))
    for layer in layers:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, 0, 0.1)
            torch.nn.init.zeros_(layer.bias)
    return torch.nn.Sequential(*layers)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--batch-norm", action="store_true")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    x, y = images(options.folder, "train"), labels(options.folder, "train")
    x_test, y_test = images(options.folder, "t10k"), labels(options.folder, "t10k")
    for seed in range(options.seeds):
        torch.manual_seed(seed)
        model = network(options.batch_norm)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        order = torch.randperm(len(x))
        found = []
        for step in range(1, STEPS[-1] + 1):
            batch = order[(step - 1) * 60 : step * 60]
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
            if step in STEPS:
                model.eval()
                with torch.no_grad():
                    right = (model(x_test).argmax(1) == y_test).float().mean()
                model.train()
                found.append(f"{step} steps {100 * right:.2f} %")
        print(f"seed {seed}:", ", ".join(found), flush=True)


if __name__ == "__main__":
    main()
