package org.batchnorm.bench.jmh;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.jar.JarOutputStream;
import java.util.zip.ZipEntry;
import org.batchnorm.bench.jmh.results.Measurement;
import org.batchnorm.bench.jmh.results.Rows;
import org.batchnorm.bench.jmh.session.Session;
import org.batchnorm.bench.jmh.session.Task;
import org.batchnorm.bench.peers.Peer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A peer as it is measured: by JMH in a fork that loads its jars. */
class PeerBenchmarkTest {
    private static final Samples.Plan PLAN = new Samples.Plan(4, 1, 3);

    @TempDir
    private Path folder;

    @BeforeAll
    static void besideOthers() {
        // The times are of no interest here, so another benchmark on this machine may go on.
        System.setProperty("jmh.ignoreLock", "true");
    }

    @Tag("thorough")
    @Test
    void aPeerIsSampledAsOursIsAndAWrongOneIsNotTimed() throws IOException {
        Session.Outcome outcome = measure();

        assertThat(folder.resolve("log")).content().contains("a library's message");
        assertThat(outcome.failures().values())
                .singleElement()
                .asString()
                .contains("wrong: own wrong is wrong on inference 8x4", "not timed");
        assertThat(outcome.rows()).singleElement().satisfies(row -> {
            assertThat(row.point().library()).isEqualTo("own");
            assertThat(row.point().variant()).isEqualTo("right");
            assertThat(row.point().memory()).isEqualTo("native");
            Measurement.Result result = row.result();
            assertThat(result.samples()).isEqualTo(PLAN.samples());
            assertThat(result.version()).isEqualTo("1, OMP_NUM_THREADS 2");
            assertThat(result.detail()).isEqualTo("scalar loops");
            assertThat(result.busyThreads()).isBetween(0.0, 64.0);
        });
    }

    private Session.Outcome measure() throws IOException {
        return measure(List.of(new Task.OfPeer("own", Operation.INFERENCE, BenchShape.of(8, 4), Fusion.NONE, 2)));
    }

    private Session.Outcome measure(List<Task> group) throws IOException {
        Path target = Files.createDirectories(folder.resolve("own/target/lib")).getParent();
        try (OutputStream file = Files.newOutputStream(target.resolve("own.jar"));
                JarOutputStream jar = new JarOutputStream(file)) {
            jar.putNextEntry(new ZipEntry("META-INF/services/" + Peer.class.getName()));
            jar.write(OwnBackend.class.getName().getBytes(StandardCharsets.UTF_8));
            jar.closeEntry();
        }
        try (Session session = new Session(Rows.run("1"), PLAN, 1, folder, folder.resolve("log"))) {
            return session.measure(group);
        }
    }

    /** A peer that is not asked for anything but batch norm. */
    @Test
    void whatAPeerCannotFuseIsToldOnceAndIsNoFailure() throws IOException {
        List<Task> group = List.of(
                new Task.OfPeer("own", Operation.FORWARD, BenchShape.of(8, 4), Fusion.RELU, 2),
                new Task.OfPeer("own", Operation.BACKWARD, BenchShape.of(8, 4), Fusion.RELU, 2));
        Session.Outcome outcome = measure(group);
        assertThat(outcome.rows()).isEmpty();
        assertThat(outcome.failures()).isEmpty();
        assertThat(outcome.fusionsWithoutRows(group)).containsExactly("relu of own");
    }

    @Test
    void aWrongResultIsNamed() {
        PeerBenchmark benchmark = benchmark(OwnBackend.WRONG);
        assertThatThrownBy(() -> benchmark.setUp(new OwnBackend()))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContainingAll("own wrong is wrong on inference 8x4", "not timed");
    }

    @Test
    void aPeerOnOtherThreadsIsNotTimed() {
        PeerBenchmark benchmark = benchmark(OwnBackend.RIGHT);
        benchmark.threads = OwnBackend.MOST_THREADS + 1;
        assertThatThrownBy(() -> benchmark.setUp(new OwnBackend()))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("peer own uses 2 threads, was told to use 3");
    }

    @Test
    void aPeerThatIsNotBuiltSaysHowToBuildIt() {
        Task task = new Task.OfPeer("onednn", Operation.INFERENCE, BenchShape.of(8, 4), Fusion.NONE, 1);
        try (Session session = new Session(Rows.run("1"), PLAN, 1, folder, folder.resolve("log"))) {
            assertThat(session.measure(List.of(task)).failures().get(task))
                    .contains("peer onednn is not built", "mvn -Ppeers package");
        }
    }

    private static PeerBenchmark benchmark(String variant) {
        PeerBenchmark benchmark = new PeerBenchmark();
        benchmark.peer = "own";
        benchmark.variant = variant;
        benchmark.operation = "inference";
        benchmark.shape = "8x4";
        benchmark.threads = 1;
        return benchmark;
    }
}
