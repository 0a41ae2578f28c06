package org.finetune4j.data;

/** How documents are cut into samples for training on plain text. */
public enum TextPacking {
    /** All documents one after the other, cut into equal blocks: no padding. */
    CONCATENATE,
    /** A sample never holds more than one document; a long document becomes several samples. */
    PER_DOCUMENT
}
