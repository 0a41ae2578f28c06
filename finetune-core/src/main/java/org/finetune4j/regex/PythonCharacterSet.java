package org.finetune4j.regex;

import org.finetune4j.regex.PythonSyntax.InvalidExpression;

/** A set of characters in square brackets, in which Java knows operators that Python does not have. */
final class PythonCharacterSet {

    private final PythonSyntax syntax;

    PythonCharacterSet(PythonSyntax syntax) {
        this.syntax = syntax;
    }

    /** Reads the set behind its opening bracket and writes it. */
    void read() throws InvalidExpression {
        syntax.write(syntax.next('^') ? "[^" : "[");
        for (boolean first = true; first || !syntax.next(']'); first = false) {
            int low = member();
            if (low < 0) {
                continue;
            }
            syntax.literal(low);
            if (syntax.next("-]")) {
                syntax.literal('-');
                break;
            }
            if (syntax.next('-')) {
                int high = member();
                if (high < low) {
                    throw syntax.error("bad character range");
                }
                syntax.write("-");
                syntax.literal(high);
            }
        }
        syntax.write("]");
    }

    /** The next character of the set, or -1 for a class such as {@code \w}, which is written at once. */
    private int member() throws InvalidExpression {
        if (syntax.atEnd()) {
            throw syntax.error("unterminated character set");
        }
        int c = syntax.character();
        if (c != '\\') {
            return c;
        }
        if (syntax.atEnd()) {
            throw syntax.error("unterminated character set");
        }
        if ("dDsSwW".indexOf(syntax.peek()) >= 0) {
            syntax.write("\\" + (char) syntax.character());
            return -1;
        }
        return syntax.next('b') ? '\b' : syntax.escapedCharacter();
    }
}
