package org.batchnorm.tornadovm.backend;

import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.batchnorm.spi.BackendUnavailableException;

/**
 * The use of one device by all opened backends of this process: the compiled plans, which layers of the same shape
 * share, and the one thread that calls TornadoVM. (TornadoVM keeps a command queue per calling thread and plan, and
 * frees only that of the thread that closes the plan.) One operation runs at a time.
 *
 * <p>The last one to close it frees the device's memory.
 */
final class DeviceSession {

    private static final int MAX_PLANS = 128;

    private static final System.Logger LOG = System.getLogger(DeviceSession.class.getName());

    /** By device id. */
    private static final Map<String, DeviceSession> OPEN = new HashMap<>();

    private static final AtomicLong PREPARATION_NANOS = new AtomicLong();

    private final Devices.Device device;
    private final int maxPlans;
    private final Function<HostPlan.Key, HostPlan> builder;
    private final ReentrantLock lock = new ReentrantLock();
    private final LinkedHashMap<HostPlan.Key, HostPlan> plans = new LinkedHashMap<>(16, 0.75f, true);
    private final ExecutorService thread;
    private int users;

    /**
     * A session of its own.
     *
     * @param maxPlans plans kept, the least recently used go first
     * @param builder makes plans; called on the device's thread
     */
    DeviceSession(Devices.Device device, int maxPlans, Function<HostPlan.Key, HostPlan> builder) {
        this.device = device;
        this.maxPlans = maxPlans;
        this.builder = builder;
        this.thread = Executors.newSingleThreadExecutor(work ->
                Thread.ofPlatform().daemon().name("tornadovm " + device.id()).unstarted(work));
    }

    /** The session of a device, which is opened if it is not. To be closed as often. */
    static DeviceSession open(Devices.Device device) {
        synchronized (OPEN) {
            DeviceSession session = OPEN.computeIfAbsent(
                    device.id(), id -> new DeviceSession(device, MAX_PLANS, key -> new HostPlan(key, device)));
            session.users++;
            return session;
        }
    }

    /** Closes the plans that work on a buffer, in all sessions; waits for those that run. */
    static void forget(TransferBuffer buffer) {
        List<DeviceSession> sessions;
        synchronized (OPEN) {
            sessions = List.copyOf(OPEN.values());
        }
        for (DeviceSession session : sessions) {
            session.locked(() -> session.closePlans(plan -> plan.key().uses(buffer)));
        }
    }

    /** What the process has spent on compiling and first executions, in nanoseconds. */
    static long preparationNanos() {
        return PREPARATION_NANOS.get();
    }

    /**
     * Runs an operation with its plan, which is compiled now if it is not.
     *
     * @param keys gives what the plan must be compiled for; called once the session is the caller's
     * @param before writes the inputs into the plan; runs on the caller's thread, as does {@code after}
     * @param after takes the outputs from the plan
     * @throws BackendUnavailableException if the device fails; {@code after} has not been called then
     */
    void run(Supplier<HostPlan.Key> keys, Consumer<HostPlan> before, Consumer<HostPlan> after) {
        locked(() -> {
            HostPlan.Key key = keys.get();
            HostPlan plan = plan(key);
            before.accept(plan);
            try {
                onDeviceThread(() -> {
                    plan.execute();
                    return plan;
                });
            } catch (BackendUnavailableException e) {
                closePlans(plan::equals);
                throw e;
            } catch (ExecutionException e) {
                closePlans(plan::equals);
                throw Faults.whileExecuting(key.operation(), device.id(), e);
            }
            after.accept(plan);
        });
    }

    /** Whether the device's kernels take 16-bit types. */
    boolean takes16Bit() {
        return device.takes16Bit();
    }

    /** Why they do not. */
    String whyNo16Bit() {
        return device.whyNo16Bit();
    }

    /** Closes the session for one who opened it. */
    void close() {
        synchronized (OPEN) {
            users--;
            if (users > 0) {
                return;
            }
            OPEN.remove(device.id(), this);
        }
        locked(() -> closePlans(plan -> true));
        thread.shutdown();
    }

    /** How many plans are kept. */
    int plans() {
        lock.lock();
        try {
            return plans.size();
        } finally {
            lock.unlock();
        }
    }

    private HostPlan plan(HostPlan.Key key) {
        HostPlan kept = plans.get(key);
        if (kept != null) {
            return kept;
        }
        if (plans.size() >= maxPlans) {
            HostPlan oldest = plans.firstEntry().getValue();
            closePlans(oldest::equals);
        }
        HostPlan plan;
        try {
            plan = prepare(key);
        } catch (ExecutionException e) {
            if (!Faults.isOutOfMemory(e) || plans.isEmpty()) {
                throw Faults.whilePreparing(key.operation(), device.id(), e);
            }
            LOG.log(Level.DEBUG, "device {0} is full: closing {1} plans", device.id(), plans.size());
            closePlans(other -> true);
            try {
                plan = prepare(key);
            } catch (ExecutionException again) {
                throw Faults.whilePreparing(key.operation(), device.id(), again);
            }
        }
        plans.put(key, plan);
        return plan;
    }

    /**
     * Builds and compiles: TornadoVM does so at the first execution, which therefore runs on zeros here, before
     * anybody's data.
     */
    private HostPlan prepare(HostPlan.Key key) throws ExecutionException {
        long start = System.nanoTime();
        HostPlan plan = onDeviceThread(() -> {
            HostPlan built = builder.apply(key);
            try {
                built.execute();
                return built;
            } catch (Throwable e) {
                closeQuietly(built);
                throw e;
            }
        });
        long nanos = System.nanoTime() - start;
        PREPARATION_NANOS.addAndGet(nanos);
        LOG.log(Level.DEBUG, "compiled {0} in {1} ms", plan, nanos / 1_000_000);
        return plan;
    }

    private void closePlans(Predicate<HostPlan> which) {
        List<HostPlan> closing = plans.values().stream().filter(which).toList();
        plans.values().removeAll(closing);
        try {
            onDeviceThread(() -> {
                closing.forEach(DeviceSession::closeQuietly);
                return closing;
            });
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    /** A device that failed may fail at this as well; there is nothing left to save then. */
    private static void closeQuietly(HostPlan plan) {
        try {
            plan.close();
        } catch (Throwable e) {
            LOG.log(Level.DEBUG, "closing " + plan, e);
        }
    }

    private void locked(Runnable work) {
        lock.lock();
        try {
            work.run();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Runs on the device's thread and waits for it, interrupted or not: the device would go on using the memory. What a
     * JVM cannot survive is thrown as it is.
     *
     * @throws ExecutionException around anything else that is thrown
     */
    private <T> T onDeviceThread(Callable<T> work) throws ExecutionException {
        Future<T> future = thread.submit(work);
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return future.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    if (e.getCause() instanceof BackendUnavailableException known) {
                        throw known;
                    }
                    if (e.getCause() instanceof VirtualMachineError fatal) {
                        throw fatal;
                    }
                    throw e;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
