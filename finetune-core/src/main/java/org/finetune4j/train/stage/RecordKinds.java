package org.finetune4j.train.stage;

import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.LabelledText;
import org.finetune4j.data.format.PlainText;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.PromptOnly;
import org.finetune4j.data.format.UnpairedPreference;

/** What kinds of records are called in messages. */
final class RecordKinds {

    private RecordKinds() {}

    static String describe(Example example) {
        if (example instanceof PreferencePair) {
            return "a pair of a chosen and a rejected answer";
        }
        if (example instanceof UnpairedPreference) {
            return "an answer that was judged";
        }
        if (example instanceof LabelledText) {
            return "a text with a class";
        }
        if (example instanceof PromptOnly) {
            return "a prompt without an answer";
        }
        return example instanceof PlainText ? "plain text" : "a prompt with its answer";
    }
}
