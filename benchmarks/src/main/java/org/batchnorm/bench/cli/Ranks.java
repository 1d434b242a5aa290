package org.batchnorm.bench.cli;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.batchnorm.mpi.MpiExchange;
import org.batchnorm.spi.StatisticsExchange;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;

/**
 * A command that several processes run together. Where one of them cannot go on, all end with one exit code, and one of
 * them says why.
 */
final class Ranks {
    private Ranks() {}

    /** How the processes were started and exchange values. */
    enum Kind {
        /** By {@code mpirun}, through an installed Open MPI or MPICH. */
        MPI
    }

    /** What each rank does. */
    @FunctionalInterface
    interface Work {

        /** Does this rank's work; what it throws beyond an {@link AgreedFailure} ends all ranks at once. */
        void run(StatisticsExchange exchange) throws AgreedFailure;
    }

    /**
     * Runs this process's rank.
     *
     * @param deadline how long a rank waits for the others before it ends all of them
     * @return the exit code, the same on every rank
     * @throws Exception why the ranks could not go on, on the rank that is to say it
     */
    static int run(Duration deadline, Work work) throws Exception {
        @Nullable AgreedFailure[] failed = {null};
        MpiExchange.run(deadline, exchange -> {
            try {
                work.run(exchange);
            } catch (AgreedFailure e) {
                failed[0] = e;
            }
        });
        AgreedFailure failure = failed[0];
        if (failure == null) {
            return ExitCode.OK;
        }
        if (failure.ofThisRank != null) {
            throw failure.ofThisRank;
        }
        return failure.code;
    }

    /**
     * What may fail on one rank and not on another: files that are missing there, say. All ranks must come here.
     *
     * @throws AgreedFailure on all ranks, if it failed on one
     */
    static <T> T together(StatisticsExchange exchange, Callable<T> action) throws AgreedFailure {
        @Nullable T result = null;
        @Nullable Exception failure = null;
        try {
            result = action.call();
        } catch (Exception e) {
            failure = e;
        }
        double[] codes = new double[exchange.size()];
        exchange.allGather(new double[] {failure == null ? ExitCode.OK : ErrorMessages.code(failure)}, codes);
        for (int rank = 0; rank < codes.length; rank++) {
            if (codes[rank] != ExitCode.OK) {
                throw new AgreedFailure((int) codes[rank], rank == exchange.rank() ? failure : null);
            }
        }
        return Objects.requireNonNull(result);
    }

    /** A failure that all ranks know of. */
    static final class AgreedFailure extends Exception {
        private static final long serialVersionUID = 1;

        private final int code;
        private final @Nullable Exception ofThisRank;

        /** The exit code of all ranks. */
        int code() {
            return code;
        }

        private AgreedFailure(int code, @Nullable Exception ofThisRank) {
            super("a rank failed", ofThisRank);
            this.code = code;
            this.ofThisRank = ofThisRank;
        }
    }
}
