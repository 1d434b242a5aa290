package org.batchnorm.tornadovm;

import org.batchnorm.tornadovm.kernels.float64.FrozenStatistics;
import org.batchnorm.tornadovm.kernels.float64.InputGradient;
import org.batchnorm.tornadovm.kernels.float64.MergeSums;
import org.batchnorm.tornadovm.kernels.float64.MergedGradients;
import org.batchnorm.tornadovm.kernels.float64.MergedStatistics;
import org.batchnorm.tornadovm.kernels.float64.ResidualGradient;
import org.batchnorm.tornadovm.kernels.float64.Sums;
import org.batchnorm.tornadovm.kernels.float64.Transform;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** The kernels of a layer of FLOAT64, whose batches are all of FLOAT64. Whole operations are the steps. */
final class Float64Calls extends KernelCalls {
    private final Float64State state;

    Float64Calls(LayerPlan plan, Float64State state, Target target) {
        super(plan, state, target);
        this.state = state;
    }

    @Override
    KernelCalls of(LayerPlan other) {
        return new Float64Calls(other, state, target());
    }

    // ---- operations

    @Override
    void batchStatistics(TornadoNativeArray x) {
        use(state.moments);
        collectStatistics(x, state.moments);
        mergedStatistics("mergeStatistics", state.moments);
    }

    @Override
    void collectStatistics(TornadoNativeArray x, DoubleArray moments) {
        sum("sumX", x, x, moments, Sums.VALUES);
        merge("mergeMean", moments, moments, Sums.VALUES);
        sum("sumSquares", x, x, moments, Sums.SQUARES);
        merge("mergeSquares", moments, moments, Sums.SQUARES);
    }

    @Override
    void transform(TornadoNativeArray x, @Nullable TornadoNativeArray residual, TornadoNativeArray y) {
        transform("transform", x, residual, y, state.statistics, Transform.BATCH);
    }

    @Override
    void inference(TornadoNativeArray x, @Nullable TornadoNativeArray residual, TornadoNativeArray y) {
        transform("inference", x, residual, y, state.runningStatistics, Transform.RUNNING);
    }

    @Override
    void batchGradients(TornadoNativeArray x, TornadoNativeArray dy) {
        use(state.sums);
        sumGradients(x, dy, state.sums);
        sum("sumProducts", x, dy, state.sums, Sums.PRODUCTS);
        merge("mergeProducts", state.sums, state.sums, Sums.PRODUCTS);
        mergedGradients("mergeGradients", state.sums);
    }

    @Override
    void givenGradients(TornadoNativeArray x, TornadoNativeArray dy) {
        use(state.sums);
        reduceGradients(x, dy, state.sums);
        mergedGradients("mergeGradients", state.sums);
    }

    @Override
    void reduceGradients(TornadoNativeArray x, TornadoNativeArray dy, DoubleArray sums) {
        sumGradients(x, dy, sums);
        sum("sumProducts", x, dy, sums, Sums.GIVEN_PRODUCTS);
        merge("mergeProducts", sums, sums, Sums.GIVEN_PRODUCTS);
    }

    @Override
    void reducePartGradients(TornadoNativeArray x, TornadoNativeArray dy, DoubleArray moments, DoubleArray sums) {
        sumGradients(x, dy, sums);
        sum("sumProducts", x, dy, sums, Sums.PRODUCTS);
        merge("mergeProducts", moments, sums, MergeSums.PRODUCTS_OF_PART);
    }

    private void sumGradients(TornadoNativeArray x, TornadoNativeArray dy, DoubleArray sums) {
        sum("sumDy", x, dy, sums, Sums.GRADIENTS);
        merge("mergeDy", sums, sums, Sums.GRADIENTS);
    }

    @Override
    void inputGradient(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx) {
        inputGradient(x, dy, dx, InputGradient.BATCH);
    }

    @Override
    void givenInputGradient(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx) {
        inputGradient(x, dy, dx, InputGradient.GIVEN);
    }

    @Override
    void requireNewForward() {
        requireNew("sumX", "mergeMean", "sumSquares", "mergeSquares", "mergeStatistics", "transform");
    }

    @Override
    void requireNewBackward() {
        requireNew("sumDy", "mergeDy", "sumProducts", "mergeProducts", "mergeGradients", "inputGradient");
    }

    // ---- kernels

    /**
     * The sums of the work-groups; {@code of} as of {@link Sums}. Those of x read neither parameters nor statistics, in
     * whose places the kernel gets an array that is on the device anyway.
     */
    private void sum(String name, TornadoNativeArray x, TornadoNativeArray dy, DoubleArray centres, int of) {
        Tiling tiling = plan.tiling();
        boolean ofX = of < Sums.GRADIENTS;
        DoubleArray parameters = ofX ? centres : state.parameters;
        DoubleArray statistics = ofX ? centres : state.statistics;
        use(state.partials);
        if (!ofX) {
            use(parameters, statistics);
        }
        add(
                name,
                tiling.grid(),
                task -> graph.task(
                        task,
                        Sums::sums,
                        context,
                        doubles(x),
                        doubles(dy),
                        parameters,
                        statistics,
                        centres,
                        state.partials,
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        ofX ? of : of + given(),
                        (double) plan.inputSlope(),
                        (double) plan.outputSlope()));
    }

    /** Their sums; {@code of} as of {@link MergeSums}. Statistics are for the products of a part alone. */
    private void merge(String name, DoubleArray moments, DoubleArray merged, int of) {
        Tiling tiling = plan.tiling();
        boolean ofPart = of == MergeSums.PRODUCTS_OF_PART;
        DoubleArray statistics = ofPart ? state.statistics : merged;
        use(state.partials);
        if (ofPart) {
            use(statistics);
        }
        add(
                name,
                tiling.mergeGrid(plan.device()),
                task -> graph.task(
                        task,
                        MergeSums::mergeSums,
                        context,
                        state.partials,
                        statistics,
                        moments,
                        merged,
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        tiling.mergeTile(plan.device()),
                        of));
    }

    @Override
    void mergedStatistics(DoubleArray moments) {
        mergedStatistics("mergedStatistics", moments);
    }

    private void mergedStatistics(String name, DoubleArray moments) {
        use(state.statistics, state.runningStatistics, state.numBatchesTracked);
        add(
                name,
                plan.tiling().featureGrid(plan.device()),
                task -> graph.task(
                        task,
                        MergedStatistics::mergedStatistics,
                        context,
                        moments,
                        state.statistics,
                        state.runningStatistics,
                        state.numBatchesTracked,
                        samples,
                        plan.config().features(),
                        plan.config().eps(),
                        plan.config().momentum().orElse(0),
                        plan.tracking()));
    }

    @Override
    void freezeStatistics() {
        useWithoutSamples(state.runningStatistics, state.statistics);
        add(
                "freezeStatistics",
                plan.tiling().featureGrid(plan.device()),
                task -> graph.task(
                        task,
                        FrozenStatistics::freezeStatistics,
                        context,
                        state.runningStatistics,
                        state.statistics,
                        plan.config().features(),
                        plan.config().eps()));
    }

    private void transform(
            String name,
            TornadoNativeArray x,
            @Nullable TornadoNativeArray residual,
            TornadoNativeArray y,
            DoubleArray statistics,
            int source) {
        Tiling tiling = plan.tiling();
        use(state.parameters, statistics);
        add(
                name,
                tiling.grid(),
                task -> graph.task(
                        task,
                        Transform::transform,
                        context,
                        doubles(x),
                        doubles(residual == null ? x : residual),
                        doubles(y),
                        state.parameters,
                        statistics,
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        source,
                        residual == null ? Transform.NOTHING : Transform.RESIDUAL,
                        plan.config().eps(),
                        (double) plan.inputSlope(),
                        (double) plan.outputSlope()));
    }

    @Override
    void residualGradient(TornadoNativeArray y, TornadoNativeArray dy, TornadoNativeArray dresidual) {
        Tiling tiling = plan.tiling();
        use();
        add(
                "residualGradient",
                tiling.grid(),
                task -> graph.task(
                        task,
                        ResidualGradient::residualGradient,
                        context,
                        doubles(y),
                        doubles(dy),
                        doubles(dresidual),
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        (double) plan.outputSlope()));
    }

    @Override
    void mergedGradients(DoubleArray sums) {
        mergedGradients("mergedGradients", sums);
    }

    private void mergedGradients(String name, DoubleArray sums) {
        use(state.parameters, state.statistics, state.gradients, state.terms);
        add(
                name,
                plan.tiling().featureGrid(plan.device()),
                task -> graph.task(
                        task,
                        MergedGradients::mergedGradients,
                        context,
                        sums,
                        state.parameters,
                        state.statistics,
                        state.gradients,
                        state.terms,
                        samples,
                        plan.config().features(),
                        plan.config().eps()));
    }

    private void inputGradient(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx, int about) {
        Tiling tiling = plan.tiling();
        use(state.parameters, state.statistics, state.terms);
        add(
                "inputGradient",
                tiling.grid(),
                task -> graph.task(
                        task,
                        InputGradient::inputGradient,
                        context,
                        doubles(x),
                        doubles(dy),
                        doubles(dx),
                        state.parameters,
                        state.statistics,
                        state.terms,
                        samples,
                        tiling.view(),
                        tiling.tile(),
                        about + given(),
                        (double) plan.inputSlope(),
                        (double) plan.outputSlope()));
    }

    private int given() {
        return plan.recomputes() ? Sums.OF_OUTPUT : 0;
    }

    /** A batch, which has been checked. */
    private static DoubleArray doubles(TornadoNativeArray batch) {
        return (DoubleArray) batch;
    }
}
