package org.finetune4j.tensor;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Frees what a block of code made. Every {@link Tensor} that a thread creates while a scope is open belongs to its
 * innermost one and is closed with it, unless {@link #keep kept} (it then belongs to the enclosing scope) or taken out
 * with {@link Tensor#unscoped()}. Closing a tensor frees this side's reference only: autograd keeps what a backward pass
 * still needs.
 *
 * <pre>{@code
 * try (TensorScope scope = TensorScope.open()) {
 *     Tensor product = a.matmul(b);      // freed with the scope
 *     return scope.keep(product.add(c)); // lives on in the caller's scope
 * }
 * }</pre>
 *
 * A scope belongs to the thread that opened it and scopes close in the reverse order of opening.
 */
public final class TensorScope implements AutoCloseable {

    private static final ThreadLocal<@Nullable TensorScope> INNERMOST = new ThreadLocal<>();

    private final @Nullable TensorScope parent;
    private final Thread owner;
    private @Nullable NativeArray[] tensors = new NativeArray[32];
    private int size;
    private boolean closed;

    private TensorScope(@Nullable TensorScope parent) {
        this.parent = parent;
        this.owner = Thread.currentThread();
    }

    /**
     * Opens a scope inside the current thread's innermost one.
     *
     * @return the scope, which the same thread closes
     */
    public static TensorScope open() {
        TensorScope scope = new TensorScope(INNERMOST.get());
        INNERMOST.set(scope);
        return scope;
    }

    static @Nullable TensorScope innermost() {
        return INNERMOST.get();
    }

    /**
     * Lets a tensor outlive this scope: it belongs to the enclosing scope from now on, or to nobody when there is none. A tensor
     * that does not belong to this scope is left as it is.
     *
     * @param tensor what is kept
     * @return the same tensor
     */
    public Tensor keep(Tensor tensor) {
        if (tensor.scope() == this) {
            remove(tensor);
            if (parent != null) {
                parent.add(tensor);
            }
        }
        return tensor;
    }

    /** {@return how many tensors the scope would free if it closed now} */
    public int size() {
        return size;
    }

    void add(NativeArray tensor) {
        if (closed) {
            throw new IllegalStateException("tensor scope used after close");
        }
        if (size == tensors.length) {
            tensors = Arrays.copyOf(tensors, size * 2);
        }
        tensors[size] = tensor;
        tensor.enter(this, size++);
    }

    void remove(NativeArray tensor) {
        int slot = tensor.slot();
        NativeArray last = tensors[--size];
        tensors[size] = null;
        if (last != null && last != tensor) {
            tensors[slot] = last;
            last.enter(this, slot);
        }
        tensor.leave();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        if (Thread.currentThread() != owner) {
            throw new IllegalStateException(
                    "a tensor scope is closed by the thread that opened it: " + owner.getName());
        }
        if (INNERMOST.get() != this) {
            throw new IllegalStateException("tensor scopes close in the reverse order of opening");
        }
        closed = true;
        if (parent == null) {
            INNERMOST.remove();
        } else {
            INNERMOST.set(parent);
        }
        for (int i = size - 1; i >= 0; i--) {
            NativeArray tensor = tensors[i];
            if (tensor != null) {
                tensor.leave();
                tensor.close();
            }
        }
        tensors = new NativeArray[0];
        size = 0;
    }
}
