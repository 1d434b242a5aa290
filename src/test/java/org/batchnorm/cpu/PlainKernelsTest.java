package org.batchnorm.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The plain kernels give the bits of the vector kernels, so that it does not matter when these take over, nor which of them does a column. */
class PlainKernelsTest {
    private static final int LANES = VectorLanes.COUNT;

    private static final Kernels PLAIN = new Kernels(
            new PlainCollectStatistics(), new PlainTransform(), new PlainReduceGradients(), new PlainInputGradient());

    /** What x and dy hold. */
    enum Values {
        ORDINARY,
        LARGE_MEAN,
        SPECIAL
    }

    /** Every way in which a kernel is called, on columns or runs of a length. */
    enum Call {
        SAMPLE_ROWS {
            @Override
            void on(Kernels kernels, Data data, int length) {
                for (int samples = 1; samples <= 5; samples++) {
                    kernels.collectStatistics().sampleRows(data.x, 3, samples, length + 1, length, data.sum);
                    add(data.sum, data.totals, length);
                }
            }
        },
        COLLECT_STATISTICS_OF_ROWS {
            @Override
            void on(Kernels kernels, Data data, int length) {
                int width = length + 2;
                CollectStatistics kernel = kernels.collectStatistics();
                kernel.rows(data.x, 5, 4, 3L * width, 3, width, 1, length + 1, data.shift, data.sum, data.product);
                kernel.rows(data.x, 9, 1, 0, 2, width, 1, length + 1, data.shift, data.sum, data.product);
            }
        },
        COLLECT_STATISTICS_OF_RUNS {
            @Override
            void on(Kernels kernels, Data data, int length) {
                long apart = length + 1L;
                for (int images = 1; images <= 4; images++) {
                    kernels.collectStatistics()
                            .runs(
                                    data.x,
                                    images,
                                    images,
                                    3 * apart,
                                    1,
                                    4,
                                    apart,
                                    length,
                                    data.shift,
                                    data.totals,
                                    data.totalProducts);
                }
            }
        },
        REDUCE_GRADIENTS_OF_ROWS {
            @Override
            void on(Kernels kernels, Data data, int length) {
                int width = length + 2;
                int to = length + 1;
                ReduceGradients kernel = kernels.reduceGradients();
                kernel.rows(data.x, 5, data.dy, 4, 2, 3L * width, 3, width, 1, to, data.shift, data.sum, data.product);
                kernel.rows(data.x, 9, data.dy, 2, 1, 0, 2, width, 1, to, data.shift, data.sum, data.product);
            }
        },
        REDUCE_GRADIENTS_OF_RUNS {
            @Override
            void on(Kernels kernels, Data data, int length) {
                long apart = length + 1L;
                for (int images = 1; images <= 4; images++) {
                    kernels.reduceGradients()
                            .runs(
                                    data.x,
                                    images,
                                    data.dy,
                                    1,
                                    images,
                                    3 * apart,
                                    1,
                                    4,
                                    apart,
                                    length,
                                    data.shift,
                                    data.totals,
                                    data.totalProducts);
                }
            }
        },
        TRANSFORM_OF_ROWS {
            @Override
            void on(Kernels kernels, Data data, int length) {
                int width = length + 2;
                Transform kernel = kernels.transform();
                kernel.rows(data.x, 5, data.y, 3, 5, width, 1, length + 1, data.coefficients);
                kernel.rows(data.dy, 4, data.dy, 4, 2, width, 1, length + 1, data.coefficients);
            }
        },
        TRANSFORM_OF_RUNS {
            @Override
            void on(Kernels kernels, Data data, int length) {
                Transform kernel = kernels.transform();
                kernel.runs(data.x, 5, data.y, 3, 1, 4, length + 1, length, data.coefficients);
                kernel.runs(data.dy, 4, data.dy, 4, 0, 3, length + 1, length, data.coefficients);
            }
        },
        INPUT_GRADIENT_OF_ROWS {
            @Override
            void on(Kernels kernels, Data data, int length) {
                int width = length + 2;
                InputGradient kernel = kernels.inputGradient();
                kernel.rows(data.x, 5, data.dy, 4, data.y, 3, 5, width, 1, length + 1, data.coefficients);
                kernel.rows(data.x, 5, data.dy, 4, data.dy, 4, 3, width, 1, length + 1, data.coefficients);
                kernel.rows(data.x, 5, data.dy, 4, data.x, 5, 2, width, 1, length + 1, data.coefficients);
            }
        },
        INPUT_GRADIENT_OF_RUNS {
            @Override
            void on(Kernels kernels, Data data, int length) {
                InputGradient kernel = kernels.inputGradient();
                kernel.runs(data.x, 5, data.dy, 4, data.y, 3, 1, 4, length + 1, length, data.coefficients);
                kernel.runs(data.x, 5, data.dy, 4, data.dy, 4, 0, 3, length + 1, length, data.coefficients);
                kernel.runs(data.x, 5, data.dy, 4, data.x, 5, 0, 3, length + 1, length, data.coefficients);
            }
        };

        abstract void on(Kernels kernels, Data data, int length);

        private static void add(float[] values, double[] sums, int length) {
            for (int j = 0; j < length; j++) {
                sums[j] = sums[j] * 3 + values[j];
            }
        }
    }

    static Stream<Arguments> everyCall() {
        return Stream.of(Call.values())
                .flatMap(call -> Stream.of(Values.values())
                        .flatMap(values -> Stream.of(true, false).map(heap -> Arguments.of(call, values, heap))));
    }

    @ParameterizedTest
    @MethodSource("everyCall")
    void givesTheBitsOfTheVectorKernel(Call call, Values values, boolean heap) {
        // Every remainder of the lanes, less than a vector, and more than a tile.
        IntStream lengths = IntStream.concat(
                IntStream.rangeClosed(1, 4 * LANES + 4),
                IntStream.of(Tile.SIZE, Tile.SIZE + LANES + 3, Blocks.RUN - 1, Blocks.RUN));
        lengths.forEach(length -> {
            Data plain = new Data(values, length, heap);
            Data vector = new Data(values, length, heap);
            call.on(PLAIN, plain, length);
            call.on(heap ? VectorKernels.onArrays() : VectorKernels.onSegments(), vector, length);
            vector.assertEqualTo(plain, length);
        });
    }

    /** All that kernels read and write. */
    static final class Data {
        final Object x;
        final Object dy;
        final Object y;
        final float[] shift;
        final float[] sum;
        final float[] product;
        final double[] totals;
        final double[] totalProducts;
        final Coefficients coefficients = new Coefficients();

        Data(Values values, int length, boolean heap) {
            Random random = new Random(length);
            int size = 13 * (length + 2) + 16;
            x = memory(random, values, size, heap);
            dy = memory(random, values, size, heap);
            y = memory(random, Values.ORDINARY, size, heap);
            int columns = length + 4;
            shift = floats(random, values == Values.LARGE_MEAN ? values : Values.ORDINARY, columns);
            sum = floats(random, Values.ORDINARY, columns);
            product = floats(random, Values.ORDINARY, columns);
            totals = random.doubles(columns).toArray();
            totalProducts = random.doubles(columns).toArray();
            coefficients.reserve(columns);
            System.arraycopy(shift, 0, coefficients.centre, 0, columns);
            System.arraycopy(sum, 0, coefficients.dyCentre, 0, columns);
            System.arraycopy(product, 0, coefficients.scale, 0, columns);
            System.arraycopy(floats(random, Values.ORDINARY, columns), 0, coefficients.slope, 0, columns);
            System.arraycopy(floats(random, Values.ORDINARY, columns), 0, coefficients.offset, 0, columns);
        }

        private static Object memory(Random random, Values values, int size, boolean heap) {
            float[] array = floats(random, values, size);
            if (heap) {
                return array;
            }
            // A multiple of four bytes, but of nothing more.
            MemorySegment segment = Arena.ofAuto().allocate(4L * size + 4, 64).asSlice(4);
            return segment.copyFrom(MemorySegment.ofArray(array));
        }

        private static float[] floats(Random random, Values values, int size) {
            float[] special = {
                Float.NaN,
                Float.POSITIVE_INFINITY,
                Float.NEGATIVE_INFINITY,
                -0f,
                0f,
                Float.MAX_VALUE,
                -Float.MAX_VALUE,
                Float.MIN_VALUE,
                1e-30f
            };
            float[] array = new float[size];
            for (int i = 0; i < size; i++) {
                float value = (float) random.nextGaussian();
                boolean isSpecial = values == Values.SPECIAL && random.nextInt(5) == 0;
                array[i] = isSpecial
                        ? special[random.nextInt(special.length)]
                        : values == Values.LARGE_MEAN ? 1e5f + value : value;
            }
            return array;
        }

        void assertEqualTo(Data expected, int length) {
            assertThat(values(x)).as("x, length %d", length).isEqualTo(values(expected.x));
            assertThat(values(dy)).as("dy, length %d", length).isEqualTo(values(expected.dy));
            assertThat(values(y)).as("y, length %d", length).isEqualTo(values(expected.y));
            assertThat(sum).as("sum, length %d", length).isEqualTo(expected.sum);
            assertThat(product).as("product, length %d", length).isEqualTo(expected.product);
            assertThat(totals).as("totals, length %d", length).isEqualTo(expected.totals);
            assertThat(totalProducts)
                    .as("totals of products, length %d", length)
                    .isEqualTo(expected.totalProducts);
        }

        private static float[] values(Object memory) {
            return memory instanceof float[] array
                    ? array
                    : ((MemorySegment) memory).toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
        }
    }
}
