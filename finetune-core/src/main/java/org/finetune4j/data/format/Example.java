package org.finetune4j.data.format;

/** One record of a dataset, understood. */
public sealed interface Example
        permits Supervised, PromptOnly, PreferencePair, UnpairedPreference, LabelledText, PlainText {}
