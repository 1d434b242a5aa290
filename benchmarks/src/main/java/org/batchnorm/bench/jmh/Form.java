package org.batchnorm.bench.jmh;

import java.util.List;
import org.batchnorm.bench.workload.WarmUp;

/**
 * One plain way to write a baseline in Java.
 *
 * @param name in words, for the result's detail
 * @param run passes over the data once and gives something that depends on them
 */
record Form(String name, Pass run) {

    /** Short: plain loops are compiled soon. */
    private static final int WINDOW_MILLIS = 10;

    /** One pass over the data. */
    interface Pass {
        float once();
    }

    /** The fastest, each one warm. */
    static Form fastest(List<Form> forms) {
        Form fastest = forms.getFirst();
        double least = Double.POSITIVE_INFINITY;
        for (Form form : forms) {
            double nanos = WarmUp.untilSteady(new Kept(form.run), WINDOW_MILLIS);
            if (nanos < least) {
                least = nanos;
                fastest = form;
            }
        }
        return fastest;
    }

    /** Keeps what a pass gives, so that the compiler cannot leave the pass out. */
    private static final class Kept implements Runnable {
        private final Pass pass;
        private volatile float result;

        Kept(Pass pass) {
            this.pass = pass;
        }

        @Override
        public void run() {
            result = pass.once();
        }

        @Override
        public String toString() {
            return String.valueOf(result);
        }
    }
}
