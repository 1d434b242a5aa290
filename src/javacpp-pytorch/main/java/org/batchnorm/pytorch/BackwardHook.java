package org.batchnorm.pytorch;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.batchnorm.pytorch.TensorBatchNorm.Recorded;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.TensorTensorHook;
import org.jspecify.annotations.Nullable;

/**
 * What autograd calls with the gradient of one forward's y. libtorch refers to it weakly and does not tell when it
 * needs it no longer, so that each is kept here until the graph that it belongs to is gone.
 */
final class BackwardHook extends TensorTensorHook {
    private static final List<BackwardHook> LIVING = new ArrayList<>();

    /** What was returned last on a thread: libtorch copies it from the reference, after the return. */
    private static final ThreadLocal<@Nullable Tensor> RETURNED = new ThreadLocal<>();

    private final Recorded forward;
    private final Tensor lifetime;
    private final long version;
    private @Nullable Tensor x;

    /**
     * Notes a forward.
     *
     * @param lifetime a tensor that only the graph holds beside this
     */
    BackwardHook(Recorded forward, Tensor x, Tensor lifetime) {
        this.forward = forward;
        this.version = x.__dispatch__version();
        this.x = TensorBatchNorm.owned(() -> x);
        this.lifetime = TensorBatchNorm.owned(() -> lifetime);
        retainReference(); // it is not the caller's scope that ends it
        keep(this);
    }

    @Override
    public TensorBase call(TensorBase dcopy) {
        try {
            Tensor result = dcopy.defined() ? backward(dcopy) : TensorBatchNorm.owned(Tensor::new);
            Tensor resultBefore = RETURNED.get();
            if (resultBefore != null) {
                resultBefore.close();
            }
            RETURNED.set(result);
            return result;
        } finally {
            dcopy.close(); // not to hold its memory until the collector comes
        }
    }

    private Tensor backward(TensorBase dcopy) {
        Tensor input = x;
        if (input == null) {
            throw new IllegalStateException(
                    "backward: the second one through the same forward, which is not supported; call forward again");
        }
        if (GradMode.is_enabled() && dcopy.requires_grad()) {
            throw new UnsupportedOperationException(
                    "backward: create_graph given, must be false; second derivatives are not supported");
        }
        if (input.__dispatch__version() != version) {
            throw new IllegalStateException(
                    "x: changed in place between forward and backward; give forward a clone(), or change it later");
        }
        TensorMemory.requireDataOnCpu("dy", dcopy);
        Tensor result = TensorBatchNorm.owned(() -> backward(input, new Tensor(dcopy)));
        forgetInput();
        return result;
    }

    /** From the gradient of the copy to that of what was copied. */
    private Tensor backward(Tensor input, Tensor dcopy) {
        MemoryOrder order = forward.order();
        Tensor dy = order.arranged(TensorBatchNorm.permuted(dcopy, MemoryOrder.inverse(forward.axes())));
        Tensor dx = forward.layer().backward(forward, order.arranged(input), dy);
        return TensorBatchNorm.permuted(dx, forward.axes());
    }

    private void forgetInput() {
        Tensor input = x;
        if (input != null) {
            input.close();
            x = null;
        }
    }

    /** Keeps one, and lets go of those whose graph is gone. */
    private static void keep(BackwardHook hook) {
        synchronized (LIVING) {
            for (Iterator<BackwardHook> living = LIVING.iterator(); living.hasNext(); ) {
                BackwardHook other = living.next();
                if (other.lifetime.use_count() == 1) {
                    living.remove();
                    other.forgetInput();
                    other.lifetime.close();
                    other.close();
                }
            }
            LIVING.add(hook);
        }
    }

    /** How many are kept. */
    static int living() {
        synchronized (LIVING) {
            return LIVING.size();
        }
    }
}
