package org.batchnorm.golden;

import static org.batchnorm.LayerCalls.Shape.first;
import static org.batchnorm.LayerCalls.Shape.flat;
import static org.batchnorm.LayerCalls.Shape.last;

import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.LayerCalls.Shape;

/**
 * A shape, and what its values are like.
 *
 * @param hard whether some features have outliers, are constant or have values that are not finite
 */
record GoldenCase(Shape shape, boolean hard) {
    /** The 40 cases. Each group says which paths of the CPU backends it is there for. */
    static final List<GoldenCase> ALL = Stream.concat(
                    Stream.of(
                                    // Two and three values of each feature.
                                    flat(2, 1),
                                    flat(2, 7),
                                    first(1, 3, 2),
                                    flat(3, 5),
                                    flat(3, 1),
                                    // (N, C), several rows counted as one, most with rows left over. From near to not
                                    // cached.
                                    flat(1009, 1),
                                    flat(16, 64),
                                    flat(61, 200),
                                    flat(300, 17),
                                    flat(1000, 100),
                                    flat(5000, 37),
                                    flat(2049, 64),
                                    // (N, C), rows as they are: widths that are multiples of 16 and others, one lot and
                                    // several.
                                    flat(32, 128),
                                    flat(64, 256),
                                    flat(9, 130),
                                    flat(70, 1100),
                                    flat(530, 515),
                                    flat(2048, 192),
                                    // Wide ones: in parts of the features, and in groups of columns.
                                    flat(40, 2500),
                                    flat(40, 2777),
                                    flat(3, 70_001),
                                    // Channels-last.
                                    last(2, 6, 15),
                                    last(1, 48, 81),
                                    last(3, 13, 121),
                                    last(4, 32, 323),
                                    last(9, 20, 1089),
                                    // Channels-first with few positions: rows in which neighbours share a feature.
                                    first(2, 3, 2),
                                    first(1, 1, 31),
                                    first(5, 4, 9),
                                    first(17, 24, 49),
                                    first(40, 600, 9),
                                    // Channels-first with many positions: runs, of one image, up to four and more.
                                    first(1, 5, 33),
                                    first(6, 8, 49),
                                    first(3, 7, 196),
                                    // Runs longer than one call takes, and so long that threads share them.
                                    first(11, 3, 2491),
                                    first(1, 1, 300_007),
                                    // So large that groups of channels are taken through all passes; the second in
                                    // backward only.
                                    first(3, 8, 46_225),
                                    first(20, 57, 625))
                            .map(shape -> new GoldenCase(shape, false)),
                    Stream.of(flat(100, 200), first(9, 12, 50)).map(shape -> new GoldenCase(shape, true)))
            .toList();

    /** Its name in the files. */
    @Override
    public String toString() {
        return hard ? shape + "-hard" : shape.toString();
    }
}
