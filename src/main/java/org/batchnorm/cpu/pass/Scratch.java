package org.batchnorm.cpu.pass;

import java.util.Arrays;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Suspects;
import org.batchnorm.cpu.operation.Operation;

/** The memory of an operation under way, apart from its tensors. Used again, so that an operation allocates nothing. */
final class Scratch {
    /** Of the C features. */
    final Coefficients coefficients = new Coefficients();

    /** The sums of the blocks. */
    final PartialSums sums = new PartialSums();

    /** The suspect features, but where each thread merges all. */
    final Suspects suspects = new Suspects();

    private ThreadScratch[] ofThread = {};

    /** Makes room for an operation; the contents are lost. */
    void reserve(Operation operation, Cut cut, int threads) {
        coefficients.reserve(cut.features);
        if (operation.reduces()) {
            sums.reserve(cut, threads);
            suspects.begin(cut.features);
        }
        int have = ofThread.length;
        if (have < threads) {
            ofThread = Arrays.copyOf(ofThread, threads);
            Arrays.setAll(ofThread, i -> i < have ? ofThread[i] : new ThreadScratch());
        }
    }

    /** Lets go of the caller's memory. */
    void forget() {
        suspects.clear();
        for (ThreadScratch each : ofThread) {
            each.forget();
        }
    }

    /** A participant's own. */
    ThreadScratch of(int participant) {
        return ofThread[participant];
    }
}
