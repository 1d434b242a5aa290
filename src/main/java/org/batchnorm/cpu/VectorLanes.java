package org.batchnorm.cpu;

import jdk.incubator.vector.VectorShape;

/** The size of the vectors, by itself: asking for it does not load the vectors, which takes tens of milliseconds. Loading this class needs the Vector API's module. */
final class VectorLanes {
    /** The floats that a vector of the kind that this machine is fast with holds. */
    static final int COUNT = VectorShape.preferredShape().vectorBitSize() / Float.SIZE;

    /** As many of a {@link Tile}'s values as fill whole vectors. */
    static final int PIECE = Tile.SIZE / COUNT * COUNT;

    private VectorLanes() {}
}
