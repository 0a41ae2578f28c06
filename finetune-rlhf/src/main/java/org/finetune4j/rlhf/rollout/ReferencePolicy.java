package org.finetune4j.rlhf.rollout;

import java.nio.file.Path;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.jspecify.annotations.Nullable;

/**
 * What the policy was before the training: the same base with the adapter off, which takes no memory. Where the weights themselves
 * train, a second copy of them is read from the model's files.
 */
final class ReferencePolicy implements AutoCloseable {

    private final CausalLM model;
    private final @Nullable Adapter adapter;
    private @Nullable CausalLM copy;

    ReferencePolicy(CausalLM model, AttachedStrategy strategy) {
        this.model = model;
        this.adapter = strategy instanceof Adapter own ? own : null;
    }

    /** Looks at a model. */
    interface Look<T> {
        T at(CausalLM model);
    }

    <T> T look(Look<T> look) {
        Adapter own = adapter;
        if (own == null) {
            return look.at(copy());
        }
        own.disable();
        try {
            return look.at(model);
        } finally {
            own.enable();
        }
    }

    private CausalLM copy() {
        CausalLM known = copy;
        if (known == null) {
            Path directory = model.directory();
            if (directory == null) {
                throw new UserErrorException(
                        "the policy's own weights train, and there are no files to read its reference"
                                + " from: use an adapter, such as method: lora, or set the price of the divergence to 0");
            }
            known = CausalLM.load(directory);
            copy = known;
        }
        return known;
    }

    @Override
    public void close() {
        if (copy != null) {
            copy.close();
        }
    }
}
