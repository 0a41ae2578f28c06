package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** The answers of a round as a checkpoint keeps them. */
final class AnswerBuffer {

    private static final String PROMPTS = "prompts";
    private static final String ANSWERS = "answers";
    private static final String COLUMN = "columns.";
    private static final String LENGTHS = ".lengths";

    private AnswerBuffer() {}

    static Map<String, Tensor> tensors(List<TrainedAnswer> answers) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        if (answers.isEmpty()) {
            return tensors;
        }
        put(tensors, PROMPTS, answers.stream().map(TrainedAnswer::prompt).toList());
        put(tensors, ANSWERS, answers.stream().map(TrainedAnswer::answer).toList());
        for (String name : new TreeSet<>(answers.get(0).columns().keySet())) {
            List<float[]> own =
                    answers.stream().map(answer -> answer.column(name)).toList();
            float[] flat = AnswerRows.joined(own);
            tensors.put(COLUMN + name, Tensors.of(flat, flat.length));
            int[] lengths = own.stream().mapToInt(values -> values.length).toArray();
            tensors.put(COLUMN + name + LENGTHS, Tensors.of(lengths, lengths.length));
        }
        return tensors;
    }

    private static void put(Map<String, Tensor> tensors, String name, List<int[]> rows) {
        int[] lengths = rows.stream().mapToInt(row -> row.length).toArray();
        int[] flat = rows.stream().flatMapToInt(Arrays::stream).toArray();
        tensors.put(name, Tensors.of(flat, flat.length));
        tensors.put(name + LENGTHS, Tensors.of(lengths, lengths.length));
    }

    /** @throws UserErrorException when the tensors are no answers */
    static List<TrainedAnswer> answers(Map<String, Tensor> tensors) {
        if (tensors.isEmpty()) {
            return List.of();
        }
        List<int[]> prompts = rows(tensors, PROMPTS);
        List<int[]> answers = rows(tensors, ANSWERS);
        List<Map<String, float[]>> columns = new ArrayList<>();
        answers.forEach(answer -> columns.add(new HashMap<>()));
        for (String key : new TreeSet<>(tensors.keySet())) {
            if (key.startsWith(COLUMN) && !key.endsWith(LENGTHS)) {
                float[] flat = tensor(tensors, key).toFloatArray();
                int[] lengths = integers(tensors, key + LENGTHS);
                require(lengths, flat.length, answers.size());
                int next = 0;
                for (int i = 0; i < lengths.length; i++) {
                    columns.get(i)
                            .put(key.substring(COLUMN.length()), Arrays.copyOfRange(flat, next, next + lengths[i]));
                    next += lengths[i];
                }
            }
        }
        require(new int[prompts.size()], 0, answers.size());
        return IntStream.range(0, answers.size())
                .mapToObj(i -> new TrainedAnswer(prompts.get(i), answers.get(i), columns.get(i)))
                .toList();
    }

    private static List<int[]> rows(Map<String, Tensor> tensors, String name) {
        int[] flat = integers(tensors, name);
        int[] lengths = integers(tensors, name + LENGTHS);
        require(lengths, flat.length, lengths.length);
        List<int[]> rows = new ArrayList<>();
        int next = 0;
        for (int length : lengths) {
            rows.add(Arrays.copyOfRange(flat, next, next + length));
            next += length;
        }
        return rows;
    }

    private static int[] integers(Map<String, Tensor> tensors, String name) {
        return Arrays.stream(tensor(tensors, name).toLongArray())
                .mapToInt(Math::toIntExact)
                .toArray();
    }

    private static Tensor tensor(Map<String, Tensor> tensors, String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new UserErrorException("the answers of the round are incomplete: there is no tensor '" + name + "'");
        }
        return tensor;
    }

    private static void require(int[] lengths, int total, int count) {
        if (lengths.length != count
                || Arrays.stream(lengths).anyMatch(length -> length < 0)
                || Arrays.stream(lengths).asLongStream().sum() != total) {
            throw new UserErrorException("the answers of the round do not belong together");
        }
    }
}
