package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashSet;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.batchnorm.data.BatchShape;
import org.batchnorm.tornadovm.kernels.Tile;
import org.batchnorm.tornadovm.kernels.Tiles;
import org.batchnorm.tornadovm.kernels.View;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.WorkerGrid;

/** The arithmetic of grids, bytes and sectors, for devices that are not at hand. */
class TilingTest {
    /** A large GPU: 132 multiprocessors of 2048 resident work-items. */
    private static final DeviceLimits LARGE_GPU = new DeviceLimits(132, 1024, 48 << 10, false);

    private static final DeviceLimits SMALL_GPU = new DeviceLimits(8, 256, 32 << 10, false);
    private static final DeviceLimits CPU = new DeviceLimits(2, 4096, 48 << 10, true);

    private static final int WARP = 32;
    private static final int SECTOR = 32;
    private static final int HEADER = 16;

    /** 128 MiB and more each. */
    static Stream<BatchShape> large() {
        return Stream.of(
                BatchShape.of(65536, 1024),
                BatchShape.of(1 << 20, 100),
                BatchShape.of(1 << 24, 3),
                BatchShape.of(1 << 22, 16),
                BatchShape.of(1 << 25, 1),
                BatchShape.of(1 << 23, 8),
                BatchShape.of(8192, 4096),
                BatchShape.of(1024, 50_000),
                BatchShape.of(1024, 1 << 16),
                BatchShape.of(100, 1 << 19),
                BatchShape.channelsLast(128, 256, 56, 56),
                BatchShape.channelsFirst(128, 256, 56, 56),
                BatchShape.channelsFirst(64, 256, 64, 64),
                BatchShape.channelsFirst(512, 3, 224, 224),
                BatchShape.channelsFirst(512, 2048, 7, 7),
                BatchShape.channelsFirst(8, 64, 512, 512),
                BatchShape.channelsFirst(2, 3, 4096, 4096),
                BatchShape.channelsFirst(8192, 1024, 4));
    }

    /** A quarter of a gigabyte each. */
    static Stream<BatchShape> fewFeatures() {
        return IntStream.rangeClosed(1, 16).mapToObj(features -> BatchShape.of((1 << 26) / features, features));
    }

    /**
     * Every multiprocessor has work, as many work-items as can be resident at once, and few idle lanes in the last
     * warps of its work-groups.
     */
    @ParameterizedTest
    @MethodSource({"large", "fewFeatures"})
    void largeBatchesFillTheDevice(BatchShape shape) {
        Tiling tiling = Tiling.of(shape, LARGE_GPU);
        int lanes = Tile.items(tiling.tile());
        assertThat(lanes).as("work-group").isBetween(128, 512);
        assertThat((double) lanes / (Math.ceilDiv(lanes, WARP) * WARP))
                .as("lanes used of its warps")
                .isGreaterThan(0.9);
        assertThat(items(tiling.grid())).as("work-items").isGreaterThanOrEqualTo(132L * 2048);
        assertThat(items(tiling.grid()) / lanes / 132)
                .as("work-groups of a multiprocessor")
                .isGreaterThanOrEqualTo(2048 / lanes);
    }

    /** Batches for which every work-group counts, and whose rows are no multiple of what it takes at once. */
    static Stream<BatchShape> medium() {
        return Stream.of(
                BatchShape.of(4096, 64),
                BatchShape.of(1000, 100),
                BatchShape.of(700, 512),
                BatchShape.of(20_011, 13),
                BatchShape.of(100_000, 7),
                BatchShape.channelsFirst(50, 64, 31, 33));
    }

    @ParameterizedTest
    @MethodSource({"large", "medium"})
    void mostGroupsHaveRows(BatchShape shape) {
        Tiling tiling = Tiling.of(shape, LARGE_GPU);
        int rows = Math.toIntExact(shape.n() * View.rowsPerSample(tiling.view()));
        int busy = Math.ceilDiv(rows, Tiles.rowsPerGroup(rows, tiling.tile()));
        assertThat(busy)
                .as("of %d", Tile.groups(tiling.tile()))
                .isBetween(Tile.groups(tiling.tile()) * 4 / 5, Tile.groups(tiling.tile()));
    }

    static Stream<BatchShape> largeInTwoStages() {
        return large().filter(shape ->
                Tiling.of(shape, LARGE_GPU).onChip(shape, 1, LARGE_GPU).isEmpty());
    }

    @ParameterizedTest
    @MethodSource("largeInTwoStages")
    void partialResultsAreFewBytes(BatchShape shape) {
        Tiling tiling = Tiling.of(shape, LARGE_GPU);
        double writtenAndRead = 2.0 * 2 * Double.BYTES * tiling.partials();
        assertThat(writtenAndRead / shape.bytes()).as("beside one reading of x").isLessThan(0.15);
    }

    /**
     * In the first, a middle and the last work-group with rows, in each of the loads that a work-item has in flight,
     * wherever in a sector they begin.
     */
    @ParameterizedTest
    @MethodSource({"large", "fewFeatures"})
    void neighboursReadNeighbours(BatchShape shape) {
        Tiling tiling = Tiling.of(shape, LARGE_GPU);
        int rows = Math.toIntExact(shape.n() * View.rowsPerSample(tiling.view()));
        int share = Tiles.rowsPerGroup(rows, tiling.tile());
        int groups = Math.ceilDiv(rows, share);
        int tiles = Math.ceilDiv(View.columns(tiling.view()), Tile.columns(tiling.tile()));
        long loads = 0;
        long sectors = 0;
        for (int tile : new int[] {0, tiles / 2, tiles - 1}) {
            for (int group : new int[] {0, groups / 2, groups - 1}) {
                for (int load = 0; load < Tiles.LOADS; load++) {
                    int firstRow = group * share + load * Tile.rows(tiling.tile());
                    Set<Long> touched = new HashSet<>();
                    for (int lane = 0; lane < Tile.items(tiling.tile()); lane++) {
                        int column = tile * Tile.columns(tiling.tile()) + lane % Tile.columns(tiling.tile());
                        int row = firstRow + lane / Tile.columns(tiling.tile());
                        if (column < View.columns(tiling.view()) && row < rows) {
                            long address = Tiles.address(row, column, tiling.view());
                            touched.add(lane / WARP * (1L << 32) + (HEADER + address * Float.BYTES) / SECTOR);
                            loads++;
                        }
                    }
                    sectors += touched.size();
                }
            }
        }
        double ideal = (double) loads * Float.BYTES / SECTOR;
        assertThat(sectors / ideal).as("sectors read, beside the fewest").isLessThan(1.4);
    }

    static Stream<Arguments> all() {
        return Stream.of(LARGE_GPU, SMALL_GPU, CPU)
                .flatMap(device -> Stream.concat(
                                large(),
                                Stream.of(
                                        BatchShape.of(1, 1),
                                        BatchShape.of(2, 3),
                                        BatchShape.of(64, 100),
                                        BatchShape.of(257, 257),
                                        BatchShape.of(5, 12345),
                                        BatchShape.channelsFirst(3, 70, 15),
                                        BatchShape.channelsFirst(3, 7, 16),
                                        BatchShape.channelsFirst(1, 100_000, 20)))
                        .map(shape -> Arguments.of(shape, device)));
    }

    @ParameterizedTest
    @MethodSource("all")
    void everyValueIsVisitedOnceAndLimitsHold(BatchShape shape, DeviceLimits device) {
        Tiling tiling = Tiling.of(shape, device);
        int rows = Math.toIntExact(shape.n() * View.rowsPerSample(tiling.view()));
        assertThat((long) View.columns(tiling.view()) * rows).isEqualTo(shape.elements());
        assertThat(View.columns(tiling.view()) / View.span(tiling.view())).isEqualTo(shape.c());
        assertThat(Tile.columns(tiling.tile()) % View.span(tiling.view()))
                .as("whole features in a tile")
                .isZero();
        assertThat((long) Tile.groups(tiling.tile()) * Tiles.rowsPerGroup(rows, tiling.tile()))
                .isGreaterThanOrEqualTo(rows);
        for (WorkerGrid grid : new WorkerGrid[] {tiling.grid(), tiling.mergeGrid(device), tiling.featureGrid(device)}) {
            assertThat(grid.getLocalWork()[0]).isBetween(1L, (long) device.maxWorkGroup());
            assertThat(grid.getGlobalWork()[0] % grid.getLocalWork()[0]).isZero();
        }
        for (int tensors = 1; tensors <= 2; tensors++) {
            OptionalLong chip = tiling.onChip(shape, tensors, device);
            if (chip.isPresent()) {
                long fits = chip.getAsLong();
                int lanes = Tile.items(fits);
                assertThat(lanes).isBetween(1, device.maxWorkGroup());
                assertThat((long) Tile.keep(fits) * Tile.rows(fits)).isGreaterThanOrEqualTo(rows);
                assertThat(4L * tensors * Tile.keep(fits) * lanes).isLessThan(device.localMemory());
                assertThat(Tile.columns(fits) % View.span(tiling.view())).isZero();
            }
        }
    }

    @Test
    void smallBatchesOfManyFeaturesStayOnChip() {
        for (BatchShape shape : new BatchShape[] {
            BatchShape.of(60, 200),
            BatchShape.of(64, 100),
            BatchShape.of(256, 65536),
            BatchShape.channelsFirst(32, 512, 7, 7)
        }) {
            assertThat(Tiling.of(shape, LARGE_GPU).onChip(shape, 1, LARGE_GPU))
                    .as(shape.toString())
                    .isPresent();
        }
        BatchShape large = BatchShape.of(65536, 1024);
        assertThat(Tiling.of(large, LARGE_GPU).onChip(large, 1, LARGE_GPU)).isEmpty();
    }

    /** As many rows as 47 KiB hold of eight columns, which are a sector of memory. */
    @Test
    void whatStaysOnChip() {
        assertThat(isOnChip(BatchShape.of(1150, 256), 1)).isTrue();
        assertThat(isOnChip(BatchShape.of(1200, 256), 1)).isFalse();
        assertThat(isOnChip(BatchShape.of(624, 256), 2)).isTrue();
        assertThat(isOnChip(BatchShape.of(670, 256), 2)).isFalse();
        assertThat(isOnChip(BatchShape.channelsFirst(9, 64, 1000), 1)).isTrue();
        assertThat(isOnChip(BatchShape.channelsFirst(5, 64, 1000), 2)).isTrue();
        for (int n : new int[] {600, 1150}) {
            BatchShape shape = BatchShape.of(n, 100);
            long tile = Tiling.of(shape, LARGE_GPU).onChip(shape, 1, LARGE_GPU).orElseThrow();
            assertThat(Tile.columns(tile)).isEqualTo(SECTOR / Float.BYTES);
        }
        BatchShape small = BatchShape.of(560, 100);
        assertThat(Tile.columns(
                        Tiling.of(small, LARGE_GPU).onChip(small, 1, LARGE_GPU).orElseThrow()))
                .as("no fewer columns than the rows ask for")
                .isEqualTo(16);
    }

    private static boolean isOnChip(BatchShape shape, int tensors) {
        return Tiling.of(shape, LARGE_GPU).onChip(shape, tensors, LARGE_GPU).isPresent();
    }

    /** Not every driver refuses a grid that its work-groups do not divide. */
    @Test
    void aKernelsGridStaysAsItIs() {
        WorkerGrid grid = Tiling.of(BatchShape.of(4096, 100), LARGE_GPU).grid();
        assertThatThrownBy(() -> grid.setLocalWork(7, 3, 1))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining("local work: 7 x 3 x 1 given, must stay " + grid.getLocalWork()[0] + " x 1 x 1")
                .hasMessageContaining("DeviceLimits");
        assertThatThrownBy(() -> grid.setGlobalWork(1, 2, 3)).hasMessageContaining("global work: 1 x 2 x 3 given");
        assertThatThrownBy(() -> grid.setGlobalOffset(1, 0, 0)).hasMessageContaining("global offset: 1 x 0 x 0 given");
        assertThatThrownBy(grid::setLocalWorkToNull)
                .hasMessageContaining("the device has no work-groups of " + grid.getLocalWork()[0]);
        assertThat(grid.getNumberOfWorkgroups())
                .isEqualTo(new long[] {grid.getGlobalWork()[0] / grid.getLocalWork()[0], grid.getGlobalWork()[1], 1});
    }

    @Test
    void aGridThatItsWorkGroupsDoNotDivideIsNone() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new KernelGrid(100, 1, 64))
                .withMessageContaining("local: work-groups of 64 given")
                .withMessageContaining("100 work-items");
    }

    private static long items(WorkerGrid grid) {
        return grid.getGlobalWork()[0] * grid.getGlobalWork()[1];
    }
}
