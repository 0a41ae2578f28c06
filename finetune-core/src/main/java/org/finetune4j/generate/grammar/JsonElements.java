package org.finetune4j.generate.grammar;

import java.util.BitSet;
import java.util.List;
import org.finetune4j.generate.grammar.Element.Choice;
import org.finetune4j.generate.grammar.Element.Literal;
import org.finetune4j.generate.grammar.Element.OneOf;
import org.finetune4j.generate.grammar.Element.Reference;
import org.finetune4j.generate.grammar.Element.Repeat;
import org.finetune4j.generate.grammar.Element.Sequence;
import org.finetune4j.regex.CharacterAutomaton;
import org.jspecify.annotations.Nullable;

/**
 * The parts of JSON (RFC 8259) over UTF-8. Where JSON sets no bounds, an answer has some that no one misses: numbers have as many digits
 * as a double tells apart, whole ones as a long holds, and between two words there is a space at most, or a line's end with an indentation: a model that is not
 * sure how to go on would write spaces for ever.
 */
final class JsonElements {

    private static final int MOST_DIGITS = 17;

    /** What every reader takes for a whole number: 64 bits hold all numbers of so many digits. */
    static final int MOST_INTEGER_DIGITS = 18;

    private static final int DEEPEST_INDENTATION = 32;

    private final Element digit = range('0', '9');
    private final Element space = new Choice(
            new Literal(""),
            new Literal(" "),
            new Sequence(new Literal("\n"), new Repeat(set(" \t"), 0, DEEPEST_INDENTATION)));
    private final Element string = new TextMachine(CharacterAutomaton.ANY, 0, Repeat.ANY);
    private final Element integer = new Sequence(optional(new Literal("-")), wholeNumber(MOST_INTEGER_DIGITS));
    private final Element number = decimal();
    private final Reference value = new Reference();
    private final Element object = object(value);

    JsonElements() {
        value.define(new Choice(
                object,
                array(List.of(), value, 0, Repeat.ANY),
                string,
                number,
                new Literal("true"),
                new Literal("false"),
                new Literal("null")));
    }

    /** Any value. */
    Element value() {
        return value;
    }

    /** An object with any members. */
    Element object() {
        return object;
    }

    /** A whole answer: its first token may bring a space. */
    static Element answer(Element element) {
        return new Sequence(optional(new Literal(" ")), element);
    }

    Element string() {
        return string;
    }

    Element integer() {
        return integer;
    }

    Element number() {
        return number;
    }

    /** What may stand between two words. */
    Element space() {
        return space;
    }

    Element spaced(Element element) {
        return new Sequence(space, element);
    }

    /**
     * An array.
     *
     * @param first elements of the first items, one each
     * @param further element of those that follow them, or null where none may
     * @param least how many items there are at least
     * @param most how many there are at most, or {@link Repeat#ANY}
     */
    Element array(List<Element> first, @Nullable Element further, int least, int most) {
        int named = Math.min(first.size(), most);
        Element close = spaced(new Literal("]"));
        // What follows when all named items are there, and then, from the last of them on, when fewer are.
        Element rest = close;
        if (further != null && most > named) {
            Element next = spaced(new Sequence(new Literal(","), space, further));
            Element filled = named > 0
                    ? new Sequence(repeated(next, least - named, most, named), close)
                    : new Sequence(space, further, repeated(next, least - 1, most, 1), close);
            rest = named > 0 || least > 0 ? filled : new Choice(close, filled);
        }
        for (int there = named - 1; there >= 0; there--) {
            Element item = there == 0
                    ? spaced(first.get(there))
                    : spaced(new Sequence(new Literal(","), space, first.get(there)));
            Element filled = new Sequence(item, rest);
            rest = there >= least ? new Choice(close, filled) : filled;
        }
        return new Sequence(new Literal("["), rest);
    }

    private static Element repeated(Element part, int least, int most, int there) {
        return new Repeat(part, Math.max(0, least), most == Repeat.ANY ? Repeat.ANY : most - there);
    }

    /** An object of members with any names, whose values are these. */
    Element object(Element valueOfEach) {
        Element member = member(string, valueOfEach);
        Element filled = new Sequence(
                new Literal("{"),
                space,
                member,
                new Repeat(new Sequence(space, new Literal(","), space, member), 0, Repeat.ANY),
                spaced(new Literal("}")));
        return new Choice(emptyObject(), filled);
    }

    Element emptyObject() {
        return new Sequence(new Literal("{"), spaced(new Literal("}")));
    }

    Element member(Element name, Element itsValue) {
        return new Sequence(name, space, new Literal(":"), space, itsValue);
    }

    private Element wholeNumber(int digits) {
        return new Choice(new Literal("0"), new Sequence(range('1', '9'), new Repeat(digit, 0, digits - 1)));
    }

    private Element decimal() {
        Element fraction = new Sequence(new Literal("."), new Repeat(digit, 1, MOST_DIGITS));
        // Two digits: a larger exponent than 99 is no number to many readers, and 308 is a double's largest.
        Element exponent = new Sequence(set("eE"), optional(set("+-")), new Repeat(digit, 1, 2));
        return new Sequence(
                optional(new Literal("-")), wholeNumber(MOST_DIGITS), optional(fraction), optional(exponent));
    }

    private static Element optional(Element element) {
        return new Choice(List.of(new Literal(""), element));
    }

    private static Element range(int first, int last) {
        BitSet bytes = new BitSet();
        bytes.set(first, last + 1);
        return new OneOf(bytes);
    }

    private static Element set(String characters) {
        BitSet bytes = new BitSet();
        characters.chars().forEach(bytes::set);
        return new OneOf(bytes);
    }
}
