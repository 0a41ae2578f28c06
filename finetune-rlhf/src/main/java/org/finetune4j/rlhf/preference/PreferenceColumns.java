package org.finetune4j.rlhf.preference;

/** The columns that samples and batches of preferences have besides their tokens. */
public final class PreferenceColumns {

    /**
     * How many labelled tokens each part has, in the order of the tokens. A pair has three parts: the prompt (0 where its
     * tokens are not labelled), the chosen answer, the rejected one. A judged answer has two: the answer, and one to another
     * prompt (0 where none is needed).
     */
    public static final String ANSWER_TOKENS = "answer_tokens";

    /** The reference model's log-probability of each part, the sum over its tokens. */
    public static final String REFERENCE = "reference_logprobs";

    /**
     * What a token of a pair's longer answer counts past the length of the shorter one (LD-DPO), a number a pair; 1 where a batch
     * has no such column.
     */
    public static final String TAIL_WEIGHT = "tail_weight";

    /** Whether a judged answer was found good, 1, or bad, 0. */
    public static final String DESIRABLE = "desirable";

    private PreferenceColumns() {}
}
