/**
 * The JMH benchmarks. Each class explains in its comment what it measures, which pitfall it avoids and how to run it
 * alone; {@code batchnorm bench} runs them over the whole grid. Running one with JMH's own options:
 *
 * <pre>{@code
 * java --add-modules jdk.incubator.vector \
 *      -cp "benchmarks/target/tornado-batchnorm-benchmarks.jar:benchmarks/target/lib/*" \
 *      org.openjdk.jmh.Main ForwardBenchmark -p shape=1024x1024 -p backend=vector -p threads=1 -p memory=heap
 * }</pre>
 *
 * The {@code float[]} and the off-heap path, every backend and every shape run in a JVM of their own (JMH forks one for
 * every combination of parameters): what the compiler learned from one must not slow the other, as it would by up to
 * 1.7×.
 */
@NullMarked
package org.batchnorm.bench.jmh;

import org.jspecify.annotations.NullMarked;
