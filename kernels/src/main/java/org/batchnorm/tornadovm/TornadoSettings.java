package org.batchnorm.tornadovm;

/**
 * What TornadoVM reads from system properties once in a process, and the kernels depend on. Names no type of TornadoVM,
 * so that it loads without it.
 */
public final class TornadoSettings {

    /**
     * Whether TornadoVM answers a kernel that fails to compile by running it as sequential Java, which gives wrong
     * numbers where work-items share anything. Its default is true.
     */
    public static final String BAILOUT_PROPERTY = "tornado.recover.bailout";

    /**
     * The bytes that TornadoVM's code for one graph may have; by default 4096, which some twenty tasks fill, and a
     * network with batch norm has more.
     */
    private static final String GRAPH_SIZE_PROPERTY = "tornado.tvm.maxbytecodesize";

    private TornadoSettings() {}

    /**
     * Sets what is not set. TornadoVM takes it over if none of its devices was asked for and none of its graphs was
     * compiled before.
     */
    public static void prepare() {
        setIfAbsent(BAILOUT_PROPERTY, "False");
        setIfAbsent(GRAPH_SIZE_PROPERTY, "65536");
    }

    private static void setIfAbsent(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }

    /**
     * Whether TornadoVM took {@value #BAILOUT_PROPERTY} for true: its API does not tell, its options do.
     *
     * @throws IllegalStateException if there is no TornadoVM in this JVM
     */
    public static boolean bailsOut() {
        try {
            return Class.forName("uk.ac.manchester.tornado.runtime.common.TornadoOptions")
                    .getField("RECOVER_BAILOUT")
                    .getBoolean(null);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(
                    "TornadoVM's runtime is not in this JVM; start Java with @$TORNADOVM_HOME/tornado-argfile", e);
        }
    }

    /** Refuses to go on where a kernel that fails to compile would give wrong numbers. */
    static void requireNoBailout() {
        if (bailsOut()) {
            throw new IllegalStateException(
                    "TornadoVM would silently run a kernel that it cannot compile as sequential Java, which gives wrong numbers; start Java with -D"
                            + BAILOUT_PROPERTY + "=False");
        }
    }
}
