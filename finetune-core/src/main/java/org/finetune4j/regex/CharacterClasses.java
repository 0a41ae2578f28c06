package org.finetune4j.regex;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Classes of characters as ECMA-262 has them. */
final class CharacterClasses {

    static final CharacterSet DIGITS = CharacterSet.of('0', '9');
    static final CharacterSet WORD = CharacterSet.of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");
    static final CharacterSet SPACES = CharacterSet.of("\t\n\u000b\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
            + "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff");

    /** Unicode's general categories by Java's numbers. */
    private static final Map<String, Byte> CATEGORIES = Map.ofEntries(
            Map.entry("Lu", Character.UPPERCASE_LETTER),
            Map.entry("Ll", Character.LOWERCASE_LETTER),
            Map.entry("Lt", Character.TITLECASE_LETTER),
            Map.entry("Lm", Character.MODIFIER_LETTER),
            Map.entry("Lo", Character.OTHER_LETTER),
            Map.entry("Mn", Character.NON_SPACING_MARK),
            Map.entry("Mc", Character.COMBINING_SPACING_MARK),
            Map.entry("Me", Character.ENCLOSING_MARK),
            Map.entry("Nd", Character.DECIMAL_DIGIT_NUMBER),
            Map.entry("Nl", Character.LETTER_NUMBER),
            Map.entry("No", Character.OTHER_NUMBER),
            Map.entry("Pc", Character.CONNECTOR_PUNCTUATION),
            Map.entry("Pd", Character.DASH_PUNCTUATION),
            Map.entry("Ps", Character.START_PUNCTUATION),
            Map.entry("Pe", Character.END_PUNCTUATION),
            Map.entry("Pi", Character.INITIAL_QUOTE_PUNCTUATION),
            Map.entry("Pf", Character.FINAL_QUOTE_PUNCTUATION),
            Map.entry("Po", Character.OTHER_PUNCTUATION),
            Map.entry("Sm", Character.MATH_SYMBOL),
            Map.entry("Sc", Character.CURRENCY_SYMBOL),
            Map.entry("Sk", Character.MODIFIER_SYMBOL),
            Map.entry("So", Character.OTHER_SYMBOL),
            Map.entry("Zs", Character.SPACE_SEPARATOR),
            Map.entry("Zl", Character.LINE_SEPARATOR),
            Map.entry("Zp", Character.PARAGRAPH_SEPARATOR));

    private CharacterClasses() {}

    /**
     * The characters of a general category.
     *
     * @param name of one, or the first letter of several
     * @return null where there is none of that name
     */
    static @Nullable CharacterSet category(String name) {
        boolean[] wanted = new boolean[32];
        boolean found = false;
        for (Map.Entry<String, Byte> category : CATEGORIES.entrySet()) {
            if (category.getKey().equals(name)
                    || category.getKey().substring(0, 1).equals(name)) {
                wanted[category.getValue()] = true;
                found = true;
            }
        }
        return found ? CharacterSet.where(each -> wanted[Character.getType(each)]) : null;
    }
}
