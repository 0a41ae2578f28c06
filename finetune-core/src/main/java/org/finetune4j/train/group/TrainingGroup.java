package org.finetune4j.train.group;

import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.TrainingArguments;

/**
 * Ranks that train one model together, as one of them sees them. Every rank loads its own model, is given the same settings and
 * sees the same data; what it does of a run is its {@link Membership}.
 */
public interface TrainingGroup {

    /** {@return the group of a process that trains by itself} */
    static TrainingGroup alone() {
        return new TrainingGroup() {};
    }

    /** {@return whether this rank writes files and tells listeners} */
    default boolean isFirst() {
        return true;
    }

    /**
     * Begins a run: the model is brought into the form in which ranks share it.
     *
     * @param model this rank's
     * @param strategy the method on it
     * @param arguments of the run
     * @return what this rank does in the run, to be closed after everything that reads the model
     * @throws org.finetune4j.UserErrorException when model, method and arguments do not allow what the group is to do
     */
    default Membership join(CausalLM model, AttachedStrategy strategy, TrainingArguments arguments) {
        return Membership.ALONE;
    }
}
