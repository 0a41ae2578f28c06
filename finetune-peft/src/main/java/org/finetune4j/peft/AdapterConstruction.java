package org.finetune4j.peft;

import org.finetune4j.model.CausalLM;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Construction;
import org.finetune4j.tensor.TensorScope;

/**
 * An adapter that is being made for a model. Meanwhile another thread cannot free or exchange the weights that its parts look at, nothing is
 * recorded for a backward pass, and an error half-way leaves nothing behind.
 *
 * <pre>{@code
 * try (AdapterConstruction construction = AdapterConstruction.on(model)) {
 *     return construction.complete(new LinearAdapter(model, ...)); // its parameters belong to it from here on
 * }
 * }</pre>
 */
public final class AdapterConstruction implements AutoCloseable {

    private final CausalLM.Entry open;
    private final Construction construction = Construction.begin();
    private final Autograd.Mode mode = Autograd.disabled();
    private final TensorScope scope = TensorScope.open();

    private AdapterConstruction(CausalLM.Entry open) {
        this.open = open;
    }

    /**
     * Begins one on this thread.
     *
     * @param model the adapter is for
     * @return the construction, which the same thread closes
     * @throws IllegalStateException when the model is closed
     */
    public static AdapterConstruction on(CausalLM model) {
        return new AdapterConstruction(model.enter());
    }

    /**
     * Says that all is done, and gives the adapter to the caller.
     *
     * @param <A> its kind
     * @param adapter that was made
     * @return {@code adapter}
     */
    public <A extends PeftAdapter> A complete(A adapter) {
        return construction.complete(adapter);
    }

    /** Ends the construction; frees what it owns unless it is complete. */
    @Override
    public void close() {
        try {
            scope.close();
            mode.close();
            construction.close();
        } finally {
            open.close();
        }
    }
}
