package org.finetune4j.rlhf.rollout;

import java.nio.file.Path;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.StoredAdapter;
import org.jspecify.annotations.Nullable;

/**
 * What the policy was before the training: the same base with the adapter off, which takes no memory, or with the stored adapter that
 * trains on, as TRL's GRPO has it. Where the weights themselves train, a second copy of them is read from the model's files.
 */
final class ReferencePolicy implements AutoCloseable {

    private final CausalLM model;
    private final @Nullable Adapter adapter;
    private final @Nullable StoredAdapter start;
    private @Nullable Adapter before;
    private @Nullable CausalLM copy;

    /** @param start what trains on, or null where a new method trains */
    ReferencePolicy(CausalLM model, AttachedStrategy strategy, @Nullable StoredAdapter start) {
        this.model = model;
        this.adapter = strategy instanceof Adapter own ? own : null;
        this.start = start;
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
            return start == null ? look.at(model) : asStarted(start, look);
        } finally {
            own.enable();
        }
    }

    private <T> T asStarted(StoredAdapter stored, Look<T> look) {
        Adapter known = before;
        if (known == null) {
            known = stored.asStored(model);
            before = known;
        } else {
            known.enable();
        }
        try {
            return look.at(model);
        } finally {
            known.disable();
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
        if (before != null) {
            before.close();
        }
        if (copy != null) {
            copy.close();
        }
    }
}
