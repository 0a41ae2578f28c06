package org.finetune4j.train.evaluation;

import com.google.common.collect.Lists;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.finetune4j.generate.Completion;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;

/**
 * What a model answered, beside what it should have.
 *
 * @param given in the order of the questions
 * @param expected the same
 */
public record Answers(List<String> given, List<String> expected) {

    /**
     * Refuses lists that do not belong together.
     *
     * @param given in the order of the questions
     * @param expected the same
     * @throws IllegalArgumentException when they differ in length or are empty
     */
    public Answers {
        given = List.copyOf(given);
        expected = List.copyOf(expected);
        if (given.size() != expected.size() || given.isEmpty()) {
            throw new IllegalArgumentException("there must be as many answers as expected ones and at least one, got "
                    + given.size() + " and " + expected.size());
        }
    }

    /**
     * Answers every question greedily, several at once.
     *
     * @param model with a tokenizer
     * @param questions with the expected answers
     * @param batchSize questions that are answered together
     * @param maxNewTokens where an answer that does not end is cut off
     * @return the answers
     */
    public static Answers of(CausalLM model, Questions questions, int batchSize, int maxNewTokens) {
        // Prompts of like length go together: padding is computed for nothing.
        int[] lengths = IntStream.range(0, questions.size())
                .map(i -> questions.prompt(i).length)
                .toArray();
        List<Integer> order = IntStream.range(0, questions.size())
                .boxed()
                .sorted(Comparator.comparingInt(i -> lengths[i]))
                .toList();
        String[] given = new String[questions.size()];
        Map<Integer, List<Integer>> byTask = order.stream()
                .collect(Collectors.groupingBy(i -> questions.task(i).orElse(-1), TreeMap::new, Collectors.toList()));
        byTask.forEach((task, own) -> {
            GenerationOptions.Builder options = GenerationOptions.greedy(maxNewTokens).toBuilder();
            if (task >= 0) {
                options.taskId(task);
            }
            for (List<Integer> batch : Lists.partition(own, batchSize)) {
                List<int[]> prompts = batch.stream().map(questions::prompt).toList();
                List<Completion> answers = TextGenerator.of(model).completeTokens(prompts, options.build());
                for (int i = 0; i < batch.size(); i++) {
                    given[batch.get(i)] = answers.get(i).text();
                }
            }
        });
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < questions.size(); i++) {
            expected.add(questions.answer(i));
        }
        return new Answers(List.of(given), expected);
    }

    /**
     * Share of the answers that equal the expected one, from 0 to 1.
     *
     * @return the share
     */
    public double exactMatch() {
        return IntStream.range(0, given.size())
                        .filter(i -> given.get(i).equals(expected.get(i)))
                        .count()
                / (double) given.size();
    }

    /**
     * Metrics by name: {@code exact_match}, {@code rouge1}, {@code rouge2}, {@code rougeL}, {@code bleu}.
     *
     * @param names of metrics
     * @return each from 0 to 1
     */
    public Map<String, Double> scores(List<String> names) {
        Map<String, Double> scores = new LinkedHashMap<>();
        for (String name : names) {
            switch (name) {
                case "exact_match" -> scores.put(name, exactMatch());
                case "rouge1" -> scores.put(name, Rouge.n(1).mean(given, expected));
                case "rouge2" -> scores.put(name, Rouge.n(2).mean(given, expected));
                case "rougeL" ->
                    scores.put(name, Rouge.longestCommonSubsequence().mean(given, expected));
                case "bleu" -> scores.put(name, Bleu.corpus(given, expected));
                default -> {
                    // Measured without generated text.
                }
            }
        }
        return scores;
    }
}
