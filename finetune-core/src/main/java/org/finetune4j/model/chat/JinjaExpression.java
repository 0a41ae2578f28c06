package org.finetune4j.model.chat;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Rewrites expressions that the renderer reads otherwise than Jinja2 does into others with the meaning that Jinja2 gives
 * them. What stands in quotes stays as it is.
 */
final class JinjaExpression {

    private static final Pattern LITERAL =
            Pattern.compile("'(?:[^'\\\\]|\\\\.)*'|\"(?:[^\"\\\\]|\\\\.)*\"", Pattern.DOTALL);
    private static final Pattern PLACE = Pattern.compile("\uFDD4(\\d+)\uFDD4");
    private static final Pattern REVERSED = Pattern.compile("\\[\\s*::\\s*-1\\s*]");

    /** A name with its members, elements and calls without nested brackets. */
    private static final String OPERAND = "([\\w.\uFDD4]+(?:\\[[^\\[\\]]*]|\\([^()]*\\)|\\.\\w+)*)";

    private static final Pattern NOT_TEST = Pattern.compile("\\bnot\\s+" + OPERAND + "\\s+is\\s+(?!not\\b)");
    private static final Pattern NOT_MEMBER = Pattern.compile("\\bnot\\s+" + OPERAND + "\\s+in\\s+");
    private static final Pattern NAMED = Pattern.compile("([(,]\\s*\\w+\\s*=)(?!=)\\s*");

    private JinjaExpression() {}

    static String rewrite(String expression) {
        List<String> literals = new ArrayList<>();
        String code = LITERAL.matcher(expression).replaceAll(found -> {
            literals.add(found.group());
            return "\uFDD4" + (literals.size() - 1) + "\uFDD4";
        });
        code = REVERSED.matcher(code).replaceAll("|reverse");
        code = NOT_TEST.matcher(code).replaceAll("$1 is not ");
        code = NOT_MEMBER.matcher(code).replaceAll("$1 not in ");
        code = namedInBrackets(code);
        return PLACE.matcher(code)
                .replaceAll((MatchResult found) ->
                        Matcher.quoteReplacement(literals.get(Integer.parseInt(found.group(1)))));
    }

    /** {@code f(a=b|length - 1)} is read as {@code f((a=b|length) - 1)} without brackets around the value. */
    private static String namedInBrackets(String code) {
        StringBuilder out = new StringBuilder();
        Matcher matcher = NAMED.matcher(code);
        int at = 0;
        while (matcher.find(at)) {
            int end = endOfArgument(code, matcher.end());
            out.append(code, at, matcher.start()).append(matcher.group(1)).append('(');
            out.append(namedInBrackets(code.substring(matcher.end(), end))).append(')');
            at = end;
        }
        return out.append(code.substring(at)).toString();
    }

    private static int endOfArgument(String code, int from) {
        int depth = 0;
        for (int i = from; i < code.length(); i++) {
            char c = code.charAt(i);
            if (depth == 0 && (c == ',' || c == ')')) {
                return i;
            }
            if ("([{".indexOf(c) >= 0) {
                depth++;
            } else if (")]}".indexOf(c) >= 0) {
                depth--;
            }
        }
        return code.length();
    }
}
