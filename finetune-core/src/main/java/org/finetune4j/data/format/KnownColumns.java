package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Names that public datasets give to what formats call {@code prompt}, {@code completion}, {@code messages} or
 * {@code text}. What a record's keys can mean in one way only is chosen; of several ways the user chooses.
 */
public final class KnownColumns {

    /**
     * Two keys of a record.
     *
     * @param prompt the key of what the model is given
     * @param answer the key of what it learns to write
     */
    record Pair(String prompt, String answer) {}

    private static final Map<String, List<String>> ANSWERS = Map.ofEntries(
            Map.entry(
                    "question",
                    List.of(
                            "answer",
                            "response",
                            "solution",
                            "completion",
                            "output",
                            "correct_answer",
                            "best_answer",
                            "ground_truth")),
            Map.entry("query", List.of("response", "answer", "output", "completion", "solution")),
            Map.entry("problem", List.of("solution", "answer", "response", "output", "completion")),
            Map.entry("prompt", List.of("answer", "output", "target", "solution", "generation")),
            Map.entry("instruction", List.of("answer", "completion", "solution", "target")),
            Map.entry("input", List.of("output", "response", "answer", "completion", "target")),
            Map.entry("inputs", List.of("outputs")),
            Map.entry("input_text", List.of("output_text", "target_text")),
            Map.entry("context", List.of("continuation", "answer", "response", "completion", "target")),
            Map.entry("source", List.of("target")),
            Map.entry("user", List.of("assistant")),
            Map.entry("human", List.of("assistant", "gpt", "bot")),
            Map.entry("q", List.of("a")),
            Map.entry("document", List.of("summary")),
            Map.entry("article", List.of("summary", "highlights")),
            Map.entry("dialogue", List.of("summary")),
            Map.entry("title_body", List.of("upvoted_answer")));

    /** Texts that belong to a question; without them its answer makes no sense. */
    private static final List<String> CONTEXT = List.of(
            "context",
            "passage",
            "input",
            "document",
            "article",
            "story",
            "paragraph",
            "background",
            "choices",
            "options");

    private static final Set<String> CONVERSATIONS =
            Set.of("conversation", "dialog", "dialogue", "chat", "message", "turns");

    private static final List<String> PREFERENCE_PROMPTS = List.of("question", "query", "problem", "input", "user");

    private KnownColumns() {}

    /**
     * What the keys of a record mean.
     *
     * @param record a record without nulls, which is in no format by its own names
     * @return from a format's key to the record's; empty when nothing is known of these keys
     * @throws UserErrorException when they can mean several things: with each as the user can write it
     */
    public static Map<String, String> of(JsonNode record) {
        Map<String, String> keys = lowerCase(record);
        Map<String, String> preference = preference(record, keys);
        if (!preference.isEmpty() || (record.has("chosen") && record.has("rejected"))) {
            return preference;
        }
        List<Pair> pairs = pairs(record, keys);
        Optional<RecordFormat> own = RecordFormats.all().stream()
                .filter(format -> format.matches(record))
                .findFirst();
        boolean onlyAsks = own.isPresent() && own.get() instanceof PromptOnlyFormat && !pairs.isEmpty();
        if (own.isPresent() && !onlyAsks) {
            if (own.get() instanceof PlainTextFormat && !pairs.isEmpty()) {
                throw new UserErrorException(
                        "the record can be read in several ways: write one of dataset_format: text or "
                                + columns(keys, pairs));
            }
            return Map.of();
        }
        List<String> conversations = keys.keySet().stream()
                .filter(CONVERSATIONS::contains)
                .filter(key -> holdsMessages(record.path(named(keys, key))))
                .toList();
        if (conversations.size() == 1) {
            return Map.of("messages", named(keys, conversations.get(0)));
        }
        if (pairs.size() > 1) {
            throw new UserErrorException(
                    "the record can be read in several ways: write one of " + columns(keys, pairs));
        }
        if (pairs.size() == 1) {
            return columnsOf(record, keys, pairs.get(0));
        }
        boolean onlyContent =
                record.path(keys.getOrDefault("content", "content")).isTextual() && MessageReader.role(record) == null;
        return onlyContent ? Map.of("text", named(keys, "content")) : Map.of();
    }

    private static Map<String, String> columnsOf(JsonNode record, Map<String, String> keys, Pair pair) {
        List<String> context = CONTEXT.stream()
                .filter(key -> !key.equals(pair.prompt()) && !key.equals(pair.answer()) && keys.containsKey(key))
                .filter(key -> isSomething(record.path(named(keys, key))))
                .toList();
        if (pair.prompt().equals("instruction")) {
            Map<String, String> alpaca = new HashMap<>();
            alpaca.put("instruction", named(keys, "instruction"));
            alpaca.put("output", named(keys, pair.answer()));
            return alpaca;
        }
        if (!context.isEmpty()) {
            String others =
                    context.stream().map(key -> "{" + named(keys, key) + "}").collect(Collectors.joining("\\n"));
            throw new UserErrorException("the record has '" + named(keys, context.get(0)) + "' beside '"
                    + named(keys, pair.prompt()) + "' and '" + named(keys, pair.answer())
                    + "': say how they become a prompt, such as templates: [{inputs: \"" + others + "\\n{"
                    + named(keys, pair.prompt()) + "}\", targets: \"{" + named(keys, pair.answer()) + "}\"}], or"
                    + " leave it out by " + columns(keys, pair));
        }
        return Map.of("prompt", named(keys, pair.prompt()), "completion", named(keys, pair.answer()));
    }

    /** Chosen and rejected answers whose prompt has another name, also Stack Exchange's pairs. */
    private static Map<String, String> preference(JsonNode record, Map<String, String> keys) {
        Map<String, String> answers = record.has("chosen") && record.has("rejected")
                ? Map.of()
                : keys.containsKey("response_j") && keys.containsKey("response_k")
                        ? Map.of("chosen", named(keys, "response_j"), "rejected", named(keys, "response_k"))
                        : Map.of();
        boolean compared = !answers.isEmpty() || (record.has("chosen") && record.has("rejected"));
        if (!compared || PreferenceFormat.PROMPT_KEYS.stream().anyMatch(record::has)) {
            return answers;
        }
        Map<String, String> all = new HashMap<>(answers);
        PREFERENCE_PROMPTS.stream()
                .filter(keys::containsKey)
                .findFirst()
                .ifPresent(key -> all.put("prompt", named(keys, key)));
        return all;
    }

    /** The only pair that an object has, or null. */
    static @Nullable Pair onlyPair(JsonNode object) {
        List<Pair> pairs = object.isObject() ? pairs(object, lowerCase(object)) : List.of();
        if (pairs.size() != 1) {
            return null;
        }
        Map<String, String> keys = lowerCase(object);
        return new Pair(
                named(keys, pairs.get(0).prompt()), named(keys, pairs.get(0).answer()));
    }

    private static List<Pair> pairs(JsonNode record, Map<String, String> keys) {
        List<Pair> pairs = new ArrayList<>();
        ANSWERS.forEach((prompt, answers) -> {
            if (record.path(keys.getOrDefault(prompt, prompt)).isTextual()) {
                answers.stream()
                        .filter(answer -> keys.containsKey(answer)
                                && record.path(named(keys, answer)).isTextual())
                        .forEach(answer -> pairs.add(new Pair(prompt, answer)));
            }
        });
        // With an instruction, or a question, an input is what it is about.
        boolean asked = pairs.stream().anyMatch(pair -> CONTEXT.stream().noneMatch(pair.prompt()::equals));
        pairs.removeIf(pair -> asked && CONTEXT.contains(pair.prompt()));
        pairs.sort((a, b) -> (a.prompt() + a.answer()).compareTo(b.prompt() + b.answer()));
        return pairs;
    }

    private static boolean holdsMessages(JsonNode value) {
        JsonNode first = value.path(0);
        return value.isArray() && (MessageReader.role(first) != null || onlyPair(first) != null);
    }

    private static boolean isSomething(JsonNode value) {
        return value.isTextual() ? !value.textValue().isBlank() : value.isContainerNode() && !value.isEmpty();
    }

    private static String columns(Map<String, String> keys, List<Pair> pairs) {
        return pairs.stream().map(pair -> columns(keys, pair)).collect(Collectors.joining(" or "));
    }

    private static String columns(Map<String, String> keys, Pair pair) {
        return "columns: {prompt: " + named(keys, pair.prompt()) + ", completion: " + named(keys, pair.answer()) + "}";
    }

    /** The record's own spelling of a key. */
    private static String named(Map<String, String> keys, String key) {
        return keys.getOrDefault(key, key);
    }

    /** The record's keys by their names in lower case; of two that are the same, the first. */
    private static Map<String, String> lowerCase(JsonNode record) {
        Map<String, String> keys = new HashMap<>();
        record.fieldNames().forEachRemaining(key -> keys.putIfAbsent(key.toLowerCase(Locale.ROOT), key));
        return keys;
    }
}
