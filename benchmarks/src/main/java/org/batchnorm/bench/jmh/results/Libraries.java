package org.batchnorm.bench.jmh.results;

/** The names of libraries in results that are no peers. */
public final class Libraries {

    /** This project. */
    public static final String OURS = "batchnorm";

    /** Plain Java: the baselines. */
    public static final String JAVA = "java";

    /** Behind a variant of ours: what the kind fuses is done in passes of its own. */
    public static final String SEPARATE = "-separate";

    private Libraries() {}
}
