package org.finetune4j.data.format;

/** One record of a dataset, understood. */
public sealed interface Example permits Supervised, PreferencePair, UnpairedPreference, LabelledText, PlainText {}
