package org.finetune4j.train.evaluation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.BadRecordPolicy;
import org.finetune4j.data.BadRecords;
import org.finetune4j.data.ReadOptions;
import org.finetune4j.data.RecordFiles;
import org.finetune4j.data.RecordSource;

/**
 * A question with the answers to choose from.
 *
 * @param prompt the text before the choice
 * @param choices at least two, as they follow the prompt, leading space included
 * @param answer index of the right one
 */
public record ChoiceQuestion(String prompt, List<String> choices, int answer) {

    private static final List<String> PROMPT_KEYS = List.of("prompt", "query", "question");
    private static final List<String> ANSWER_KEYS = List.of("answer", "gold", "label");

    /**
     * Refuses a question without a right answer.
     *
     * @param prompt the text before the choice
     * @param choices at least two, as they follow the prompt, leading space included
     * @param answer index of the right one
     * @throws IllegalArgumentException when there are fewer than two choices, or none at the index
     */
    public ChoiceQuestion {
        choices = List.copyOf(choices);
        if (choices.size() < 2 || answer < 0 || answer >= choices.size()) {
            throw new IllegalArgumentException(
                    "a question needs two choices at least and the index of the right one, got " + choices.size()
                            + " and " + answer);
        }
    }

    /**
     * Reads records of {@code {"prompt": ..., "choices": [...], "answer": 0}} in any file that training reads. The prompt
     * may also be called {@code query} or {@code question}, the answer {@code gold} or {@code label}; it may also be a
     * letter or the text of a choice.
     *
     * @param paths files, directories, patterns
     * @return the questions
     * @throws UserErrorException for the first record that is something else, with file and line
     */
    public static List<ChoiceQuestion> read(List<String> paths) {
        RecordSource records = RecordFiles.open(
                paths, ReadOptions.defaults(), ChoiceQuestion::of, new BadRecords(BadRecordPolicy.ERROR));
        return IntStream.range(0, records.size())
                .mapToObj(index -> of(records.get(index)))
                .toList();
    }

    /**
     * {@return whether the first record of files is a question with choices}
     *
     * @param paths files, directories, patterns
     * @throws UserErrorException when they cannot be read
     */
    public static boolean areIn(List<String> paths) {
        RecordSource records =
                RecordFiles.open(paths, ReadOptions.defaults(), record -> {}, new BadRecords(BadRecordPolicy.SKIP));
        return records.get(0).path("choices").isArray();
    }

    private static ChoiceQuestion of(JsonNode record) {
        JsonNode prompt = first(record, PROMPT_KEYS);
        List<String> choices = new ArrayList<>();
        record.path("choices").forEach(choice -> choices.add(choice.asText()));
        if (!prompt.isTextual() || choices.size() < 2) {
            throw new UserErrorException("expected {\"prompt\": ..., \"choices\": [...], \"answer\": 0}");
        }
        return new ChoiceQuestion(prompt.asText(), choices, answer(first(record, ANSWER_KEYS), choices));
    }

    private static JsonNode first(JsonNode record, List<String> keys) {
        return keys.stream()
                .map(record::path)
                .filter(value -> !value.isMissingNode())
                .findFirst()
                .orElse(MissingNode.getInstance());
    }

    private static int answer(JsonNode answer, List<String> choices) {
        int index = -1;
        if (answer.isInt()) {
            index = answer.asInt();
        } else if (answer.isTextual()) {
            String text = answer.asText();
            index = choices.indexOf(text);
            if (index < 0 && text.length() == 1) {
                index = Character.toUpperCase(text.charAt(0)) - 'A';
            }
        }
        if (index < 0 || index >= choices.size()) {
            throw new UserErrorException("'answer' is " + answer
                    + ", expected the index, the letter or the text of one of the " + choices.size() + " choices");
        }
        return index;
    }
}
