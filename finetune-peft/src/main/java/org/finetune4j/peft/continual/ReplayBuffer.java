package org.finetune4j.peft.continual;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;

/**
 * Samples of earlier tasks that are learned again, a file of JSON lines that never has more bytes than its budget. Every task
 * seen so far has an equal share of it; a task that comes later takes from the shares of those before.
 */
public final class ReplayBuffer {

    /** The name of the file. */
    public static final String NAME = "replay.jsonl";

    private final long budget;

    /** Encoded lines by task, in the order in which they were drawn. */
    private final Map<String, List<String>> lines = new LinkedHashMap<>();

    /**
     * An empty buffer.
     *
     * @param budget bytes that the file may have
     */
    public ReplayBuffer(long budget) {
        this.budget = budget;
    }

    /**
     * Reads a buffer.
     *
     * @param file that {@link #write} wrote
     * @param budget bytes that the file may have
     * @return the buffer
     * @throws UserErrorException when a line is no sample
     */
    public static ReplayBuffer read(Path file, long budget) {
        ReplayBuffer buffer = new ReplayBuffer(budget);
        int number = 0;
        try (BufferedReader reader =
                new BufferedReader(new InputStreamReader(InputFiles.open(file), StandardCharsets.UTF_8))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                ObjectNode node = Json.parseObject(line, file + ":" + ++number);
                if (!node.path("task").isTextual() || !node.path("input_ids").isArray()) {
                    throw new UserErrorException(
                            file + ":" + number + ": no kept sample: expected 'task', 'input_ids' and 'labels'");
                }
                buffer.lines
                        .computeIfAbsent(node.path("task").asText(), task -> new ArrayList<>())
                        .add(line);
            }
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + file + ": " + Reasons.of(e), e);
        }
        return buffer;
    }

    /**
     * Keeps samples of a task that was learned, drawn at random, and fewer of those before, so that all tasks have an equal share.
     *
     * @param task unlike the names of those before
     * @param dataset its samples
     * @param seed decides which samples are kept
     * @throws UserErrorException when samples have more than token ids and labels, or none fits into a share
     */
    public void add(String task, TrainingDataset dataset, long seed) {
        long share = budget / (lines.size() + 1);
        lines.replaceAll((name, kept) -> fitting(kept, share));
        List<Integer> order =
                new ArrayList<>(IntStream.range(0, dataset.size()).boxed().toList());
        Collections.shuffle(order, new Random(seed));
        List<String> kept = new ArrayList<>();
        long bytes = 0;
        for (int index : order) {
            String line = encode(task, dataset.get(index));
            if (bytes + size(line) <= share) {
                kept.add(line);
                bytes += size(line);
            }
        }
        if (kept.isEmpty()) {
            throw new UserErrorException("a replay budget of " + budget + " bytes is " + share
                    + " for each task, and no sample of task " + task + " is so small: raise it");
        }
        lines.put(task, kept);
    }

    private static List<String> fitting(List<String> kept, long share) {
        List<String> fitting = new ArrayList<>();
        long bytes = 0;
        for (String line : kept) {
            if (bytes + size(line) <= share) {
                fitting.add(line);
                bytes += size(line);
            }
        }
        return fitting;
    }

    private static long size(String line) {
        return line.getBytes(StandardCharsets.UTF_8).length + 1L;
    }

    private static String encode(String task, Sample sample) {
        if (sample.positionIds() != null || !sample.columns().isEmpty()) {
            throw new UserErrorException(
                    "replay keeps token ids and labels, and samples of task " + task + " have more: leave packing out");
        }
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("task", task);
        values.put("input_ids", sample.inputIds());
        values.put("labels", sample.labels());
        return Json.write(values);
    }

    /**
     * Writes the file beside its place and renames it.
     *
     * @param file where it goes
     */
    public void write(Path file) {
        StringBuilder text = new StringBuilder();
        lines.values().forEach(kept -> kept.forEach(line -> text.append(line).append('\n')));
        AtomicFiles.writeString(file, text.toString());
    }

    /**
     * The bytes that the file has.
     *
     * @return never more than the budget
     */
    public long bytes() {
        return lines.values().stream()
                .flatMap(List::stream)
                .mapToLong(ReplayBuffer::size)
                .sum();
    }

    /**
     * How many samples are kept of each task.
     *
     * @return by task, in the order of learning
     */
    public Map<String, Integer> counts() {
        Map<String, Integer> counts = new LinkedHashMap<>();
        lines.forEach((task, kept) -> counts.put(task, kept.size()));
        return counts;
    }

    /**
     * The samples that are kept.
     *
     * @return in the order of the file
     * @throws UserErrorException when one is broken
     */
    public List<Sample> samples() {
        List<Sample> samples = new ArrayList<>();
        lines.values()
                .forEach(kept -> kept.forEach(line -> {
                    ObjectNode node = Json.parseObject(line, NAME);
                    try {
                        samples.add(new Sample(numbers(node.path("input_ids")), numbers(node.path("labels"))));
                    } catch (IllegalArgumentException e) {
                        throw new UserErrorException(NAME + ": a sample is broken: " + e.getMessage(), e);
                    }
                }));
        return samples;
    }

    private static int[] numbers(JsonNode array) {
        int[] numbers = new int[array.size()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = array.get(i).asInt();
        }
        return numbers;
    }
}
