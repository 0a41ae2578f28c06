package org.finetune4j.generate;

/** Is told what is generated while it is generated, by the thread that computes. What it throws ends the answer. */
public interface GenerationListener {

    /** Hears nothing. */
    GenerationListener NONE = new GenerationListener() {};

    /**
     * A token was chosen.
     *
     * @param answer the number of the answer among those of the request, from 0
     * @param token its id
     */
    default void onToken(int answer, int token) {}

    /**
     * How likely a token was that was just chosen, where the options ask for log-probabilities.
     *
     * @param answer the number of the answer among those of the request, from 0
     * @param token the token with its log-probability and the likeliest in its place
     */
    default void onLogprob(int answer, TokenLogprob token) {}

    /**
     * There is more text, in a model that has a tokenizer.
     *
     * @param answer the number of the answer among those of the request, from 0
     * @param piece whole characters, never part of a stop string
     */
    default void onText(int answer, String piece) {}
}
