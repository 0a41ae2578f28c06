package org.finetune4j.train.evaluation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * A question with the answers to choose from.
 *
 * @param prompt the text before the choice
 * @param choices at least two, as they follow the prompt, leading space included
 * @param answer index of the right one
 */
public record ChoiceQuestion(String prompt, List<String> choices, int answer) {

    private static final ObjectMapper JSON = new ObjectMapper();

    public ChoiceQuestion {
        choices = List.copyOf(choices);
        if (choices.size() < 2 || answer < 0 || answer >= choices.size()) {
            throw new IllegalArgumentException(
                    "a question needs two choices at least and the index of the right one, got " + choices.size()
                            + " and " + answer);
        }
    }

    /**
     * Reads JSON lines of {@code {"prompt": ..., "choices": [...], "answer": 0}}; the answer may also be a letter or the
     * text of a choice.
     *
     * @throws UserErrorException for the first line that is something else
     */
    public static List<ChoiceQuestion> read(Path file) {
        List<ChoiceQuestion> questions = new ArrayList<>();
        try {
            List<String> lines = Files.readAllLines(file, StandardCharsets.UTF_8);
            for (int i = 0; i < lines.size(); i++) {
                if (!lines.get(i).isBlank()) {
                    questions.add(parse(lines.get(i), file + ":" + (i + 1)));
                }
            }
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + file + ": " + Reasons.of(e), e);
        }
        if (questions.isEmpty()) {
            throw new UserErrorException(file + ": no question");
        }
        return questions;
    }

    private static ChoiceQuestion parse(String line, String place) {
        JsonNode node;
        try {
            node = JSON.readTree(line);
        } catch (JsonProcessingException e) {
            throw new UserErrorException(place + ": not JSON: " + e.getOriginalMessage(), e);
        }
        List<String> choices = new ArrayList<>();
        node.path("choices").forEach(choice -> choices.add(choice.asText()));
        if (!node.path("prompt").isTextual() || choices.size() < 2) {
            throw new UserErrorException(place + ": expected {\"prompt\": ..., \"choices\": [...], \"answer\": 0}");
        }
        return new ChoiceQuestion(node.path("prompt").asText(), choices, answer(node.path("answer"), choices, place));
    }

    private static int answer(JsonNode answer, List<String> choices, String place) {
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
            throw new UserErrorException(place + ": 'answer' is " + answer
                    + ", expected the index, the letter or the text of one of the " + choices.size() + " choices");
        }
        return index;
    }
}
