package org.batchnorm.bench.tornadovm.resident;

import org.batchnorm.tornadovm.SampleCount;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.WorkerGrid2D;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * A task graph in the making, with what every task of it needs.
 *
 * @param graph the tasks so far
 * @param grids the grids of all tasks of the plan
 * @param samples the rows of an execution
 */
record Tasks(TaskGraph graph, GridScheduler grids, SampleCount samples) {

    /** The rows of this execution, as kernels read them. */
    IntArray rows() {
        return samples.array();
    }

    /** The most rows that an execution may have. */
    int capacity() {
        return samples.max();
    }

    /** The grid of a task that runs over so many elements. */
    void overElements(String task, int elements) {
        add(task, new WorkerGrid1D(roundUp(elements, NetworkKernels.GROUP)), NetworkKernels.GROUP, 1);
    }

    /** The grid of a task that runs over the columns of rows. */
    void overRows(String task, int columns, int rows) {
        add(task, new WorkerGrid2D(roundUp(columns, NetworkKernels.GROUP), rows), NetworkKernels.GROUP, 1);
    }

    /** The grid of a task that computes a matrix in square tiles. */
    void overTiles(String task, int columns, int rows) {
        int tile = NetworkKernels.TILE;
        add(task, new WorkerGrid2D(roundUp(columns, tile), roundUp(rows, tile)), tile, tile);
    }

    /** The grid of a task that is one work-group. */
    void oneGroup(String task) {
        add(task, new WorkerGrid1D(NetworkKernels.GROUP), NetworkKernels.GROUP, 1);
    }

    private void add(String task, WorkerGrid grid, int localX, int localY) {
        grid.setLocalWork(localX, localY, 1);
        grids.addWorkerGrid(graph.getTaskGraphName() + "." + task, grid);
    }

    private static int roundUp(int value, int multiple) {
        return Math.ceilDiv(value, multiple) * multiple;
    }
}
