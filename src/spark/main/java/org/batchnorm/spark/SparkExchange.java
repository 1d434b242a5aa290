package org.batchnorm.spark;

import java.io.Serializable;
import java.net.InetAddress;
import java.time.Duration;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaRDD;
import org.batchnorm.spi.StatisticsExchange;
import scala.jdk.javaapi.CollectionConverters;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;
import scala.runtime.AbstractFunction1;

/**
 * Trains with the tasks of a Spark barrier stage as ranks, one for each partition:
 *
 * <pre>{@code
 * List<float[]> weights = SparkExchange.run(rows, Duration.ofMinutes(2), (exchange, mine) -> {
 *     try (BatchNorm layer = BatchNorm.builder(200).synchronizedBy(exchange).build()) {
 *         …                                            // each rank with its part of every batch
 *         exchange.allReduce(layer.weightGradient());  // and so all parameters of the network
 *         return layer.weight().clone();
 *     }
 * });
 * }</pre>
 *
 * <p>Spark's own {@code allGather} takes a second a call. So the tasks tell each other their addresses by it, once, and
 * from then on talk over TCP.
 *
 * <p>A rank that fails, that ends before the others, or that does not come within the deadline fails the stage. Spark
 * begins the stage anew, as often as {@code spark.stage.maxConsecutiveAttempts} says: set it to 1, so that the job
 * fails with the reason, unless the work may be done twice. There must be as many cores free as there are partitions.
 *
 * <p>This module and the library belong on the executors' class path ({@code spark-submit --jars}). Executors have the
 * Vector API by themselves; a driver that computes as well needs {@code --add-modules jdk.incubator.vector}.
 */
public final class SparkExchange {
    private SparkExchange() {}

    /**
     * What each rank does.
     *
     * @param <T> the rows
     * @param <R> what a rank returns to the driver
     */
    @FunctionalInterface
    public interface Work<T, R> extends Serializable {

        /**
         * Does this rank's work. All ranks must make the same exchanges in the same order.
         *
         * @param exchange this rank's, of use until this method returns
         * @param rows those of the rank's partition
         */
        R run(StatisticsExchange exchange, Iterator<T> rows) throws Exception;
    }

    /**
     * Runs a barrier stage, and waits for it.
     *
     * @param rows a partition a rank
     * @param deadline how long a rank waits for the others in an exchange before it fails; positive, at most 365 days
     * @return what the ranks returned, in their order
     * @throws IllegalArgumentException if the deadline is out of range
     */
    public static <T, R> List<R> run(JavaRDD<T> rows, Duration deadline, Work<T, R> work) {
        TcpMesh.requireDeadline(deadline);
        ClassTag<R> type = anyType();
        Rank<T, R> rank = new Rank<>(deadline, work);
        return JavaRDD.fromRDD(rows.rdd().barrier().mapPartitions(rank, false, type), type)
                .collect();
    }

    /** Java's generics leave nothing of a type that Scala could be told. */
    @SuppressWarnings("unchecked")
    private static <R> ClassTag<R> anyType() {
        return (ClassTag<R>) ClassTag$.MODULE$.apply(Object.class);
    }

    /** One task. */
    private static final class Rank<T, R>
            extends AbstractFunction1<scala.collection.Iterator<T>, scala.collection.Iterator<R>>
            implements Serializable {
        private static final long serialVersionUID = 1;

        private final Duration deadline;
        private final Work<T, R> work;

        Rank(Duration deadline, Work<T, R> work) {
            this.deadline = deadline;
            this.work = work;
        }

        @Override
        public scala.collection.Iterator<R> apply(scala.collection.Iterator<T> rows) {
            BarrierTaskContext context = BarrierTaskContext.get();
            String host = SparkEnv.get().blockManager().blockManagerId().host();
            try (TcpMesh.Listener listener = TcpMesh.listen(InetAddress.getByName(host))) {
                List<TcpMesh.Address> addresses = Arrays.stream(
                                context.allGather(listener.address().encode()))
                        .map(TcpMesh.Address::decode)
                        .toList();
                try (TcpMesh mesh = listener.connect(context.partitionId(), addresses, deadline)) {
                    R result = work.run(mesh, CollectionConverters.asJava(rows));
                    return CollectionConverters.asScala(List.of(result).iterator());
                }
            } catch (RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new IllegalStateException("rank " + context.partitionId() + " failed: " + e, e);
            }
        }
    }
}
