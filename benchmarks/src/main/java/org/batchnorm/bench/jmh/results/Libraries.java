package org.batchnorm.bench.jmh.results;

/** The names of libraries in results that are no peers. */
public final class Libraries {

    /** This project. */
    public static final String OURS = "batchnorm";

    /** Plain Java: the baselines. */
    public static final String JAVA = "java";

    private Libraries() {}
}
