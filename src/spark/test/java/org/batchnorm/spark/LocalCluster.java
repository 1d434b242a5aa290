package org.batchnorm.spark;

import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/** The cluster of the tests: three executors, each a process with what the driver has on its class path. */
final class LocalCluster {
    static final int EXECUTORS = 3;

    private LocalCluster() {}

    static JavaSparkContext context() {
        return new JavaSparkContext(new SparkConf()
                .setAppName("ranks")
                .setMaster("local-cluster[" + EXECUTORS + ",1,1024]")
                .set("spark.ui.enabled", "false")
                .set("spark.stage.maxConsecutiveAttempts", "1")
                .set("spark.executor.extraClassPath", System.getProperty("java.class.path")));
    }
}
