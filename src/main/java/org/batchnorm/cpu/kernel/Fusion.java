package org.batchnorm.cpu.kernel;

import java.util.Objects;
import org.batchnorm.cpu.cut.Columns;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * What an operation does beside batch normalization, {@code y = output(BN(input(x)))}, a piece at a time
 * ({@link Stage}). With a = input(x), forward reduces and maps a; backward reduces and maps a and {@code dy ·
 * output′(BN(a))} to the gradient by a, whose product with {@code input′(x)} is dx. BN(a) is computed again, by the
 * kernel and the coefficients of the forward, so that its sign is that of the forward.
 */
public final class Fusion {
    private Activations activations = Activations.NONE;
    private @Nullable Kernels kernels;

    /** The caller's tensors: x, dy in a backward, and the output if there is one. */
    public final Operands tensors = new Operands();

    private final Coefficients ofFeatures = new Coefficients();
    private final Coefficients ofColumns = new Coefficients();
    private boolean isExpanded;

    /** Nothing beside batch normalization. */
    public Fusion() {}

    /** Sets the backend's kernels. */
    public void kernels(Kernels newKernels) {
        kernels = newKernels;
    }

    /** The backend's kernels. */
    Kernels kernels() {
        return Objects.requireNonNull(kernels);
    }

    /** Takes the tensors of an operation on x. */
    public void forward(Tensors all, boolean maps) {
        activations = all.activations();
        if (isActive()) {
            tensors.set(all.x(), null, maps ? all.y() : null);
        }
    }

    /** Takes the tensors of an operation on x and dy. */
    public void backward(Tensors all, boolean maps) {
        activations = all.activations();
        if (isActive()) {
            tensors.set(all.x(), all.dy(), maps ? all.dx() : null);
        }
    }

    /** Lets go of the caller's memory. */
    public void clear() {
        activations = Activations.NONE;
        tensors.clear();
    }

    /** Whether there is anything beside batch normalization. */
    public boolean isActive() {
        return !activations.areNone();
    }

    /** What x goes through before batch normalization. */
    public Activation input() {
        return activations.input();
    }

    /** What comes after batch normalization. */
    public Activation output() {
        return activations.output();
    }

    /** Whether the sign of the forward's result is wanted: it chooses the derivative of the output activation. */
    public boolean needsForward() {
        return tensors.hasSecond() && !output().isNone();
    }

    /** The coefficients of the forward's {@code transform}, per feature, to be filled in before {@link #expand}. */
    public Coefficients forwardCoefficients(int features) {
        ofFeatures.reserve(features);
        return ofFeatures;
    }

    /** Repeats the coefficients of the forward for the columns. */
    public void expand(Cut cut) {
        Columns columns = cut.columns;
        isExpanded = columns.isExpanded();
        if (isExpanded) {
            ofColumns.reserve(columns.width);
            ofColumns.expand(ofFeatures, columns, false);
        }
    }

    /** The coefficients of the forward's {@code transform}, per column or channel. */
    public Coefficients forwardCoefficients() {
        return isExpanded ? ofColumns : ofFeatures;
    }

    /** One value of a = input(x). */
    public static float x(Operands o, long at) {
        Fusion fusion = o.fusion;
        return fusion == null ? o.x(at) : fusion.input().of(o.x(at));
    }

    /** One value of dy, by the derivative of the output activation. */
    public static float second(Operands o, long at, int feature) {
        Fusion fusion = o.fusion;
        if (fusion == null || fusion.output().isNone()) {
            return o.second(at);
        }
        Coefficients c = fusion.ofFeatures;
        float d = fusion.input().of(o.x(at)) - c.centre[feature];
        return o.second(at) * fusion.output().derivative(Math.fma(d, c.scale[feature], c.offset[feature]));
    }
}
