package org.finetune4j.generate;

/** Is told what is generated while it is generated. */
interface GenerationListener {

    GenerationListener NONE = new GenerationListener() {};

    /** A new token of a sequence. */
    default void onToken(int sequence, int token) {}

    /** A new piece of text of a sequence. */
    default void onText(int sequence, String piece) {}
}
