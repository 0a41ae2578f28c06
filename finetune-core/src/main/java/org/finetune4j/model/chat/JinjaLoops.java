package org.finetune4j.model.chat;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;

/**
 * Writes loops in the way the renderer knows. It would overlook a condition on a loop and the else of one without a word:
 * with a condition, what is left is collected first and then looped over; an else is refused.
 */
final class JinjaLoops {

    private static final Pattern CONDITIONAL =
            Pattern.compile("for\\s+(.+?)\\s+in\\s+(.+?)\\s+if\\s+(.+)", Pattern.DOTALL);
    private static final Pattern ELSE = Pattern.compile("\\belse\\b");

    /** For every block that is open and can have an else, whether it is a loop. */
    private final Deque<Boolean> loops = new ArrayDeque<>();

    private int collected;

    /** The block or blocks that mean what {@code block} means; the text between the braces, without the first and last. */
    String rewrite(String block) {
        String keyword = block.split("\\s+", 2)[0];
        switch (keyword) {
            case "for" -> {
                loops.push(true);
                return loop(block);
            }
            case "if" -> loops.push(false);
            case "endif", "endfor" -> loops.poll();
            case "raw" -> throw new UserErrorException("a raw block is not known");
            case "else" -> {
                if (Boolean.TRUE.equals(loops.peek())) {
                    throw new UserErrorException("a loop with an else is not known");
                }
            }
            default -> {
                // Other blocks have no else.
            }
        }
        return block;
    }

    private String loop(String block) {
        if (block.endsWith(" recursive")) {
            throw new UserErrorException("a recursive loop is not known");
        }
        Matcher conditional = CONDITIONAL.matcher(block);
        if (!conditional.matches() || ELSE.matcher(conditional.group(3)).find()) {
            return block;
        }
        String target = conditional.group(1);
        String list = "__left" + collected++;
        String element = target.contains(",") ? "[" + target.replaceAll("[()]", "") + "]" : target;
        return ("set %1$s = [] %%}{%% for %2$s in %3$s %%}{%% if %4$s %%}{%% set __added = %1$s.append(%5$s) %%}"
                        + "{%% endif %%}{%% endfor %%}{%% for %2$s in %1$s")
                .formatted(list, target, conditional.group(2), conditional.group(3), element);
    }
}
