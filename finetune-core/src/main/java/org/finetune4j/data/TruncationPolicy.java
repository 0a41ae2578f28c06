package org.finetune4j.data;

/** What to do with a sample that has more tokens than {@code max_length}. */
public enum TruncationPolicy {
    /** Refuse it, naming its file and line. */
    ERROR,
    /** Leave the sample out of the dataset. This reads and tokenises everything once before training starts. */
    DROP,
    /** Cut off the beginning, but keep the tokens that open every sequence (BOS). */
    LEFT,
    /** Cut off the end, as TRL does. A sample that then has no labelled token is refused. */
    RIGHT
}
