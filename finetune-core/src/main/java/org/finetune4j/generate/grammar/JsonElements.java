package org.finetune4j.generate.grammar;

import java.util.BitSet;
import java.util.List;
import org.finetune4j.generate.grammar.Element.Choice;
import org.finetune4j.generate.grammar.Element.Literal;
import org.finetune4j.generate.grammar.Element.OneOf;
import org.finetune4j.generate.grammar.Element.Reference;
import org.finetune4j.generate.grammar.Element.Repeat;
import org.finetune4j.generate.grammar.Element.Sequence;

/**
 * The parts of JSON (RFC 8259) over UTF-8. Where JSON sets no bounds, an answer has some that no one misses: numbers have as many digits
 * as a double tells apart, and between two words there is a space at most, or a line's end with an indentation: a model that is not
 * sure how to go on would write spaces for ever.
 */
final class JsonElements {

    private static final int MOST_DIGITS = 17;
    private static final int DEEPEST_INDENTATION = 32;

    private final Element digit = range('0', '9');
    private final Element space = new Choice(
            new Literal(""),
            new Literal(" "),
            new Sequence(new Literal("\n"), new Repeat(set(" \t"), 0, DEEPEST_INDENTATION)));
    private final Element character = character();
    private final Element string = string(0, Repeat.ANY);
    private final Element integer = new Sequence(optional(new Literal("-")), wholeNumber());
    private final Element number = decimal();
    private final Reference value = new Reference();
    private final Element object = object(value);

    JsonElements() {
        value.define(new Choice(
                object,
                array(value, 0, Repeat.ANY),
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

    /** A string of so many characters. */
    Element string(int least, int most) {
        return new Sequence(new Literal("\""), new Repeat(character, least, most), new Literal("\""));
    }

    /** An array of so many items. */
    Element array(Element item, int least, int most) {
        Literal open = new Literal("[");
        Element close = spaced(new Literal("]"));
        Element empty = new Sequence(open, close);
        if (most == 0) {
            return empty;
        }
        Element further = new Repeat(
                new Sequence(space, new Literal(","), space, item),
                Math.max(0, least - 1),
                most == Repeat.ANY ? Repeat.ANY : most - 1);
        Element filled = new Sequence(open, space, item, further, close);
        return least > 0 ? filled : new Choice(empty, filled);
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

    private Element wholeNumber() {
        return new Choice(new Literal("0"), new Sequence(range('1', '9'), new Repeat(digit, 0, MOST_DIGITS - 1)));
    }

    private Element decimal() {
        Element fraction = new Sequence(new Literal("."), new Repeat(digit, 1, MOST_DIGITS));
        // Two digits: a larger exponent than 99 is no number to many readers, and 308 is a double's largest.
        Element exponent = new Sequence(set("eE"), optional(set("+-")), new Repeat(digit, 1, 2));
        return new Sequence(integer, optional(fraction), optional(exponent));
    }

    private Element character() {
        BitSet plain = new BitSet();
        plain.set(0x20, 0x80);
        plain.clear('"');
        plain.clear('\\');
        plain.clear(0x7f);
        return new Choice(new OneOf(plain), twoBytes(), threeBytes(), fourBytes(), escape());
    }

    private static Element twoBytes() {
        return new Sequence(range(0xc2, 0xdf), range(0x80, 0xbf));
    }

    /** Without the shortest forms of others and without halves of pairs. */
    private static Element threeBytes() {
        Element last = range(0x80, 0xbf);
        return new Choice(
                new Sequence(range(0xe0, 0xe0), range(0xa0, 0xbf), last),
                new Sequence(range(0xe1, 0xec), last, last),
                new Sequence(range(0xed, 0xed), range(0x80, 0x9f), last),
                new Sequence(range(0xee, 0xef), last, last));
    }

    private static Element fourBytes() {
        Element last = range(0x80, 0xbf);
        return new Choice(
                new Sequence(range(0xf0, 0xf0), range(0x90, 0xbf), last, last),
                new Sequence(range(0xf1, 0xf3), last, last, last),
                new Sequence(range(0xf4, 0xf4), range(0x80, 0x8f), last, last));
    }

    private static Element escape() {
        Element hex = set("0123456789abcdefABCDEF");
        Element notD = set("0123456789abcefABCEF");
        Element d = set("dD");
        Element unit = new Choice(new Sequence(notD, hex, hex, hex), new Sequence(d, set("01234567"), hex, hex));
        Element pair = new Sequence(d, set("89abAB"), hex, hex, new Literal("\\u"), d, set("cdefCDEF"), hex, hex);
        return new Sequence(
                new Literal("\\"),
                new Choice(set("\"\\/bfnrt"), new Sequence(new Literal("u"), new Choice(unit, pair))));
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
