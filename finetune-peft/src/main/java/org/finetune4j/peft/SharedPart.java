package org.finetune4j.peft;

/** What an adapter keeps for all of its places together, such as frozen matrices: nothing of it is in the model itself. */
public interface SharedPart extends AdapterPart {

    @Override
    default void enable() {}

    @Override
    default void disable() {}

    @Override
    default void merge(boolean keepTies) {}

    @Override
    default void unmerge() {}
}
