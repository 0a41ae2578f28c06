package org.finetune4j.regex;

import java.util.List;

/** A part of a pattern. */
sealed interface PatternNode {

    /** One character. */
    record One(CharacterSet of) implements PatternNode {}

    /** Parts one after the other. */
    record Sequence(List<PatternNode> parts) implements PatternNode {}

    /** One of several parts. */
    record Choice(List<PatternNode> parts) implements PatternNode {}

    /**
     * A part several times.
     *
     * @param most -1 without a bound
     */
    record Repeat(PatternNode part, int least, int most) implements PatternNode {}

    /** Nothing, where the text begins. */
    record Begin() implements PatternNode {}

    /** Nothing, where the text ends. */
    record End() implements PatternNode {}
}
