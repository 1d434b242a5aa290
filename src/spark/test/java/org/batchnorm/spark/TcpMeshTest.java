package org.batchnorm.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.DataOutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TcpMeshTest {
    private static final Duration PATIENT = Duration.ofMinutes(2);

    /** Long enough that a busy machine starts all ranks within it. */
    private static final Duration SHORT = Duration.ofSeconds(4);

    /** Also values that no socket's buffer has room for: all ranks send them at once. */
    @ParameterizedTest
    @CsvSource({"1, 5", "2, 0", "2, 1000", "3, 7", "4, 1000000"})
    void everyRankGetsTheValuesOfAll(int ranks, int count) throws Exception {
        List<String> outcomes = onRanks(ranks, PATIENT, mesh -> {
            for (int exchange = 0; exchange < 3; exchange++) {
                double[] mine = new double[count];
                for (int i = 0; i < count; i++) {
                    mine[i] = value(exchange, mesh.rank(), i);
                }
                double[] all = new double[count * ranks];
                mesh.allGather(mine, all);
                for (int i = 0; i < all.length; i++) {
                    assertThat(all[i]).isEqualTo(value(exchange, i / count, i % count));
                }
            }
            return mesh + " of " + mesh.size();
        });
        assertThat(outcomes).hasSize(ranks).allMatch(outcome -> outcome.endsWith("of " + ranks));
    }

    private static double value(int exchange, int rank, int i) {
        return exchange + 10 * rank + 1e-9 * i;
    }

    @Test
    void sumsAreTheSameOnEveryRank() throws Exception {
        List<String> outcomes = onRanks(3, PATIENT, mesh -> {
            float[] values = {mesh.rank(), 1};
            mesh.allReduce(values);
            return values[0] + " " + values[1];
        });
        assertThat(outcomes).containsExactly("3.0 3.0", "3.0 3.0", "3.0 3.0");
    }

    @Test
    void aRankThatLeavesIsNamedByTheOthers() throws Exception {
        List<String> outcomes = onRanks(3, PATIENT, mesh -> {
            mesh.allGather(new double[1], new double[3]);
            if (mesh.rank() == 1) {
                return "left";
            }
            mesh.allGather(new double[1], new double[3]);
            return "went on";
        });
        assertThat(outcomes.get(1)).isEqualTo("left");
        // The one that notices first leaves as well, so the other one may have lost either.
        assertThat(outcomes.get(0) + outcomes.get(2)).contains("lost rank 1 (").doesNotContain("went on");
    }

    @Test
    void aRankThatStaysAwayIsNamedAfterTheDeadline() throws Exception {
        List<String> outcomes = onRanks(2, SHORT, mesh -> {
            if (mesh.rank() == 1) {
                Thread.sleep(SHORT.multipliedBy(2));
                return "slept";
            }
            mesh.allGather(new double[1], new double[2]);
            return "went on";
        });
        assertThat(outcomes)
                .containsExactly(
                        "exchange: rank 0 of 2 waited for rank 1 for PT4S; every rank must run the same operations, and none may fail alone",
                        "slept");
    }

    @Test
    void anInterruptedRankStopsWaiting() throws Exception {
        List<String> outcomes = onRanks(2, PATIENT, mesh -> {
            if (mesh.rank() == 0) {
                Thread.currentThread().interrupt();
            }
            mesh.allGather(new double[1], new double[2]);
            return "went on";
        });
        assertThat(outcomes.getFirst()).contains("rank 0 of 2 was interrupted");
        assertThat(outcomes.getLast()).contains("rank 1 of 2 lost rank 0");
    }

    @Test
    void differentOperationsAreTold() throws Exception {
        List<String> outcomes = onRanks(2, PATIENT, mesh -> {
            int count = 3 + mesh.rank();
            mesh.allGather(new double[count], new double[2 * count]);
            return "went on";
        });
        assertThat(String.join(" ", outcomes))
                .contains("values in exchange 1, rank ")
                .doesNotContain("went on");
    }

    @Test
    void aFailedExchangeIsOfNoUseAnyMore() throws Exception {
        List<String> outcomes = onRanks(2, SHORT, mesh -> {
            if (mesh.rank() == 1) {
                Thread.sleep(SHORT.multipliedBy(2));
                return "slept";
            }
            assertThatIllegalStateException().isThrownBy(() -> mesh.allGather(new double[1], new double[2]));
            mesh.allGather(new double[1], new double[2]);
            return "went on";
        });
        assertThat(outcomes.getFirst()).isEqualTo("exchange: rank 0 is over: it was closed, or has failed");
    }

    @Test
    void wrongLengthsAreRefusedBeforeAnythingIsSent() throws Exception {
        List<String> outcomes = onRanks(2, PATIENT, mesh -> {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> mesh.allGather(new double[2], new double[3]))
                    .withMessage("all: double[3] given, must have 2 times the 2 values of mine");
            mesh.allGather(new double[1], new double[2]);
            return "went on";
        });
        assertThat(outcomes).containsOnly("went on");
    }

    /** One says nothing, one says nonsense, one has guessed the rank alone. */
    @Test
    void strangersAreTurnedAway() throws Exception {
        InetAddress here = InetAddress.getLoopbackAddress();
        try (TcpMesh.Listener first = TcpMesh.listen(here);
                TcpMesh.Listener second = TcpMesh.listen(here);
                Socket silent = new Socket(here, first.address().port());
                Socket short_ = new Socket(here, first.address().port());
                Socket guessing = new Socket(here, first.address().port());
                ExecutorService threads = Executors.newFixedThreadPool(2)) {
            short_.getOutputStream().write(new byte[] {1, 2, 3});
            short_.shutdownOutput();
            DataOutputStream out = new DataOutputStream(guessing.getOutputStream());
            out.writeLong(first.address().secret() + 1);
            out.writeInt(1);
            List<TcpMesh.Address> addresses = List.of(
                    TcpMesh.Address.decode(first.address().encode()),
                    TcpMesh.Address.decode(second.address().encode()));
            Future<double[]> zero = threads.submit(() -> gather(first.connect(0, addresses, PATIENT)));
            Future<double[]> one = threads.submit(() -> gather(second.connect(1, addresses, PATIENT)));
            assertThat(zero.get()).containsExactly(0, 1);
            assertThat(one.get()).containsExactly(0, 1);
            assertThat(guessing.getInputStream().read()).as("hung up").isEqualTo(-1);
            assertThat(silent.isConnected()).isTrue();
        }
    }

    private static double[] gather(TcpMesh mesh) {
        try (mesh) {
            double[] all = new double[2];
            mesh.allGather(new double[] {mesh.rank()}, all);
            return all;
        }
    }

    @Test
    void aRankThatNeverCallsIsNamed() throws Exception {
        try (TcpMesh.Listener listener = TcpMesh.listen(InetAddress.getLoopbackAddress())) {
            List<TcpMesh.Address> addresses = List.of(listener.address(), listener.address());
            assertThatIllegalStateException()
                    .isThrownBy(() -> listener.connect(0, addresses, Duration.ofMillis(300)))
                    .withMessageContaining("rank 0 of 2 waited for rank 1 for PT0.3S");
        }
    }

    @Test
    void aRankThatCannotBeReachedIsTold() throws Exception {
        TcpMesh.Address nobody;
        try (TcpMesh.Listener closed = TcpMesh.listen(InetAddress.getLoopbackAddress())) {
            nobody = closed.address();
        }
        try (TcpMesh.Listener listener = TcpMesh.listen(InetAddress.getLoopbackAddress())) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> listener.connect(1, List.of(nobody, listener.address()), PATIENT))
                    .withMessageContaining("rank 1 of 2 could not be connected with the others")
                    .withMessageContaining("Connection refused");
        }
    }

    @Test
    void aDeadlineIsPositive() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TcpMesh.requireDeadline(Duration.ZERO))
                .withMessage("deadline: PT0S given, must be positive and at most 365 days");
    }

    private interface Work {
        String run(TcpMesh mesh) throws Exception;
    }

    /** What each rank returned, or the message of what it threw. */
    private static List<String> onRanks(int ranks, Duration deadline, Work work) throws Exception {
        List<TcpMesh.Listener> listeners = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(ranks)) {
            for (int rank = 0; rank < ranks; rank++) {
                listeners.add(TcpMesh.listen(InetAddress.getLoopbackAddress()));
            }
            List<TcpMesh.Address> addresses =
                    listeners.stream().map(TcpMesh.Listener::address).toList();
            List<Future<String>> futures = new ArrayList<>();
            for (int rank = 0; rank < ranks; rank++) {
                int number = rank;
                futures.add(threads.submit(() -> {
                    try (TcpMesh mesh = listeners.get(number).connect(number, addresses, deadline)) {
                        return work.run(mesh);
                    } catch (IllegalStateException e) {
                        return e.getMessage();
                    }
                }));
            }
            List<String> outcomes = new ArrayList<>();
            for (Future<String> future : futures) {
                outcomes.add(future.get());
            }
            return outcomes;
        } finally {
            for (TcpMesh.Listener listener : listeners) {
                listener.close();
            }
        }
    }
}
