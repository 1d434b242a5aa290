package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.batchnorm.BatchShape;
import org.batchnorm.tornadovm.kernels.Tiles;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The arithmetic of grids and addresses on a GPU that need not be here: an NVIDIA H200, 132 multiprocessors of up to 2,048 work-items, warps of 32, memory read in
 * sectors of 32 bytes.
 */
class LaunchGeometryTest {
    private static final DeviceLimits H200 = new DeviceLimits(132, 1024, 48 << 10, false);
    private static final int RESIDENT_WORK_ITEMS = 132 * 2048;
    private static final int WARP = 32;
    private static final int SECTOR = 32 / Float.BYTES;

    static Stream<Arguments> shapes() {
        return Stream.of(
                        BatchShape.of(65_536, 1024),
                        BatchShape.of(8_388_608, 8),
                        BatchShape.of(16_777_216, 3),
                        BatchShape.of(4_194_304, 16),
                        BatchShape.of(1024, 65_536),
                        BatchShape.of(8192, 4096),
                        BatchShape.channelsFirst(64, 256, 64, 64),
                        BatchShape.channelsFirst(1024, 512, 7, 7),
                        BatchShape.channelsFirst(512, 3, 224, 224),
                        BatchShape.channelsLast(64, 256, 64, 64))
                .map(Arguments::of);
    }

    /** A quarter of a gigabyte or more must find the whole device at work: at least half of what can be resident at once, which eight loads in flight each suffice for. */
    @ParameterizedTest
    @MethodSource("shapes")
    void largeBatchesOccupyTheDevice(BatchShape shape) {
        Tiling tiling = Tiling.of(shape, H200);
        long[] global = tiling.grid().getGlobalWork();
        assertThat(global[0] * global[1]).isGreaterThanOrEqualTo(RESIDENT_WORK_ITEMS / 2);
        assertThat(tiling.tileColumns() * tiling.tileRows()).isLessThanOrEqualTo(H200.maxWorkGroup());
    }

    /** Batches for which every work-group counts, and whose rows are no multiple of what it takes at once. */
    static Stream<Arguments> mediumShapes() {
        return Stream.of(
                        BatchShape.of(4096, 64),
                        BatchShape.of(1000, 100),
                        BatchShape.of(700, 512),
                        BatchShape.of(20_011, 13),
                        BatchShape.of(100_000, 7),
                        BatchShape.channelsFirst(50, 64, 31, 33))
                .map(Arguments::of);
    }

    /** The groups' shares cover every row, and no group but the last few is without any. */
    @ParameterizedTest
    @MethodSource({"shapes", "mediumShapes"})
    void groupsShareAllRows(BatchShape shape) {
        Tiling tiling = Tiling.of(shape, H200);
        long rows = shape.n() * tiling.rowsPerSample();
        long step = (long) Tiles.LOADS * tiling.tileRows();
        long share = Math.ceilDiv(Math.ceilDiv(rows, (long) tiling.groups()), step) * step;
        assertThat(share * tiling.groups()).isGreaterThanOrEqualTo(rows);
        long busy = Math.ceilDiv(rows, share);
        assertThat(busy).as("groups with rows, of %d", tiling.groups()).isGreaterThanOrEqualTo(tiling.groups() * 4 / 5);
    }

    /** A warp's load touches hardly more sectors than its values fill: neighbouring work-items stand on neighbouring addresses. */
    @ParameterizedTest
    @MethodSource("shapes")
    void loadsAreCoalesced(BatchShape shape) {
        Tiling tiling = Tiling.of(shape, H200);
        int lanes = tiling.tileColumns() * tiling.tileRows();
        long values = 0;
        long sectors = 0;
        for (int first = 0; first < lanes; first += WARP) {
            int begin = first;
            long[] addresses = IntStream.range(begin, Math.min(begin + WARP, lanes))
                    .filter(lane -> lane % tiling.tileColumns() < tiling.columns())
                    .mapToLong(lane -> address(tiling, lane / tiling.tileColumns(), lane % tiling.tileColumns()))
                    .toArray();
            values += addresses.length;
            sectors += Arrays.stream(addresses)
                    .map(address -> address / SECTOR)
                    .distinct()
                    .count();
        }
        assertThat((double) sectors * SECTOR / values)
                .as("values moved per value used")
                .isLessThan(1.3);
    }

    /** What fits into local memory is read once, by work-groups that the device can start. */
    @ParameterizedTest
    @MethodSource("smallBatches")
    void smallBatchesStayOnChip(BatchShape shape) {
        Tiling tiling = Tiling.of(shape, H200);
        Optional<Tiling.OnChip> chip = tiling.onChip(shape, 1, H200);
        assertThat(chip).isPresent();
        Tiling.OnChip layout = chip.orElseThrow();
        int lanes = layout.tileColumns() * layout.tileRows();
        assertThat(lanes).isLessThanOrEqualTo(H200.maxWorkGroup());
        assertThat((long) layout.keep() * layout.tileRows()).isGreaterThanOrEqualTo(shape.n() * tiling.rowsPerSample());
        assertThat((long) lanes * (4L * layout.keep() + 20)).isLessThanOrEqualTo(H200.localMemory());
    }

    static Stream<Arguments> smallBatches() {
        return Stream.of(BatchShape.of(60, 200), BatchShape.of(60, 100), BatchShape.of(256, 1024))
                .map(Arguments::of);
    }

    /** As the kernels compute it, {@code Tiles.address}. */
    private static long address(Tiling tiling, long row, long column) {
        long spatial = tiling.spatial();
        return row + row / spatial * ((tiling.columns() - 1) * spatial) + column * spatial;
    }
}
