package org.finetune4j.model.chat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * How a model writes calls of tools, which its chat template tells: between {@code <tool_call>} and {@code </tool_call>}
 * (Hermes, Qwen), or as an answer that is JSON alone (Llama 3). What is no call of a known tool is text.
 */
public final class ToolCalls {

    /**
     * A call.
     *
     * @param name of the tool
     * @param arguments JSON, as OpenAI has it
     */
    public record Call(String name, String arguments) {}

    /**
     * An answer with calls.
     *
     * @param text before the calls
     * @param calls one at least
     */
    public record Parsed(String text, List<Call> calls) {}

    /** What a call begins with, in the form that marks them. */
    public static final String MARK = "<tool_call>";

    /** What a call ends with, in the form that marks them. */
    public static final String END = "</tool_call>";

    /** What a call is given may have the end's text in it: so many are looked behind. */
    private static final int MOST_ENDS = 16;

    private final boolean marked;
    private final Set<String> names;

    private ToolCalls(boolean marked, Set<String> names) {
        this.marked = marked;
        this.names = names;
    }

    /**
     * How calls are written in answers to a template.
     *
     * @param template that shows calls to the model
     * @param names of the tools that may be called
     * @return null where the template's form is not known: then calls are text
     */
    public static @Nullable ToolCalls of(ChatTemplate template, Set<String> names) {
        String source = template.source();
        if (source.contains(MARK)) {
            return new ToolCalls(true, names);
        }
        boolean json = source.contains("\"parameters\"") && source.contains("tools");
        return json ? new ToolCalls(false, names) : null;
    }

    /** {@return whether calls stand between marks, {@code arguments} in them; else an answer is one call, with {@code parameters}} */
    public boolean isMarked() {
        return marked;
    }

    /**
     * The calls in an answer.
     *
     * @param text the whole answer
     * @return empty where there are none, or one is not whole
     */
    public Optional<Parsed> parse(String text) {
        List<Call> calls = new ArrayList<>();
        if (!marked) {
            Optional<Call> call = text.strip().startsWith("{") ? call(text.strip()) : Optional.empty();
            return call.map(only -> new Parsed("", List.of(only)));
        }
        int first = text.indexOf(MARK);
        for (int begin = first; begin >= 0; ) {
            int from = begin + MARK.length();
            Optional<Call> call = Optional.empty();
            int behind = from;
            for (int tries = 0; call.isEmpty() && behind < text.length() && tries < MOST_ENDS; tries++) {
                int end = text.indexOf(END, behind);
                call = call(text.substring(from, end < 0 ? text.length() : end).strip());
                behind = end < 0 ? text.length() : end + END.length();
            }
            if (call.isEmpty()) {
                return Optional.empty();
            }
            calls.add(call.get());
            begin = text.indexOf(MARK, behind);
        }
        return calls.isEmpty()
                ? Optional.empty()
                : Optional.of(new Parsed(text.substring(0, first).stripTrailing(), calls));
    }

    /**
     * How much of an unfinished answer is text, whatever follows: calls have not begun there.
     *
     * @param text the beginning of an answer
     * @return a number of characters
     */
    public int textLength(String text) {
        if (!marked) {
            String begun = text.stripLeading();
            return begun.isEmpty() || begun.startsWith("{") ? 0 : text.length();
        }
        int end = text.indexOf(MARK);
        for (int begun = MARK.length() - 1; end < 0; begun--) {
            end = text.endsWith(MARK.substring(0, begun)) ? text.length() - begun : end;
        }
        return text.substring(0, end).stripTrailing().length(); // what stands before a call ends without blanks
    }

    private Optional<Call> call(String json) {
        JsonNode node;
        try {
            node = Json.parse(json, "call");
        } catch (UserErrorException e) {
            return Optional.empty();
        }
        JsonNode arguments = node.has("arguments") ? node.path("arguments") : node.path("parameters");
        String name = node.path("name").asText("");
        if (!names.contains(name)) {
            return Optional.empty();
        }
        return Optional.of(new Call(
                name,
                arguments.isTextual()
                        ? arguments.textValue()
                        : arguments.isMissingNode() ? "{}" : Json.write(arguments)));
    }
}
