package org.finetune4j.train;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.event.CheckpointEvent;
import org.finetune4j.train.optimizer.Optimizer;
import org.jspecify.annotations.Nullable;

/**
 * The checkpoints of one run: {@code checkpoint-STEP} directories, each with what the method saves, the optimizer's state,
 * the random state and the place in the data. A directory gets its name when it is complete, so any that is there can be
 * resumed from.
 */
final class CheckpointDirectory {

    private static final Pattern NAME = Pattern.compile("checkpoint-(\\d+)");
    private static final String STATE_FILE = "training_state.safetensors";
    private static final String PROGRESS_FILE = "trainer_state.json";
    private static final String RANDOM_STATE = "random_state";
    private static final String OPTIMIZER_PREFIX = "optimizer.";
    private static final String AVERAGE_PREFIX = "average.";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path root;

    CheckpointDirectory(Path root) {
        this.root = root;
    }

    /** Writes a checkpoint and deletes all but the {@code keep} latest. */
    Path write(
            TrainingProgress progress,
            String fingerprint,
            AttachedStrategy strategy,
            Optimizer optimizer,
            WeightAverage average,
            int keep) {
        CheckpointEvent event = new CheckpointEvent();
        event.begin();
        Path target = root.resolve("checkpoint-" + progress.step());
        AtomicFiles.writeDirectory(target, partial -> {
            strategy.save(partial);
            writeState(partial.resolve(STATE_FILE), optimizer, average);
            Files.writeString(partial.resolve(PROGRESS_FILE), toJson(progress, fingerprint));
        });
        List<Path> all = all();
        for (Path old : all.subList(0, Math.max(0, all.size() - keep))) {
            AtomicFiles.deleteTree(old);
        }
        event.step = progress.step();
        event.directory = target.toString();
        event.commit();
        return target;
    }

    /** The latest checkpoint, if there is one. */
    Optional<Path> latest() {
        List<Path> all = all();
        return all.isEmpty() ? Optional.empty() : Optional.of(all.get(all.size() - 1));
    }

    /**
     * Brings a run back to where a checkpoint left it.
     *
     * @throws UserErrorException when the checkpoint is broken or belongs to a run over other data or other batches
     */
    static TrainingProgress restore(
            Path checkpoint,
            String fingerprint,
            AttachedStrategy strategy,
            Optimizer optimizer,
            WeightAverage average) {
        ObjectNode json = readProgress(checkpoint.resolve(PROGRESS_FILE));
        String saved = json.path("fingerprint").asText();
        if (!saved.equals(fingerprint)) {
            throw new UserErrorException(
                    checkpoint + ": made by another run: it has " + saved + ", this run has " + fingerprint);
        }
        strategy.restore(checkpoint);
        try (SafetensorsFile file = SafetensorsFile.open(checkpoint.resolve(STATE_FILE));
                TensorScope scope = TensorScope.open()) {
            optimizer.restore(withPrefix(file, OPTIMIZER_PREFIX));
            average.restore(withPrefix(file, AVERAGE_PREFIX));
            Torch.setRandomState(file.tensor(RANDOM_STATE).toByteArray());
        }
        return new TrainingProgress(
                json.path("global_step").asLong(),
                json.path("epoch").asInt(),
                json.path("next_batch").asInt(),
                optional(json, "best_eval_loss"),
                optional(json, "best_metric"),
                json.path("evaluations_since_best").asInt());
    }

    private static @Nullable Double optional(ObjectNode json, String key) {
        return json.hasNonNull(key) ? json.get(key).asDouble() : null;
    }

    private static Map<String, Tensor> withPrefix(SafetensorsFile file, String prefix) {
        Map<String, Tensor> state = new LinkedHashMap<>();
        for (String name : file.names()) {
            if (name.startsWith(prefix)) {
                state.put(name.substring(prefix.length()), file.tensor(name));
            }
        }
        return state;
    }

    private static void writeState(Path file, Optimizer optimizer, WeightAverage average) {
        try (TensorScope scope = TensorScope.open()) {
            List<Entry> entries = new ArrayList<>();
            add(entries, OPTIMIZER_PREFIX, optimizer.state());
            add(entries, AVERAGE_PREFIX, average.state());
            byte[] random = Torch.randomState();
            add(entries, "", Map.of(RANDOM_STATE, Tensors.of(random, random.length)));
            SafetensorsWriter.write(file, entries, Map.of("format", "pt"));
        }
    }

    private static void add(List<Entry> entries, String prefix, Map<String, Tensor> tensors) {
        tensors.forEach((name, tensor) ->
                entries.add(new Entry(prefix + name, tensor.dtype(), tensor.shape(), tensor::detach)));
    }

    private static String toJson(TrainingProgress progress, String fingerprint) {
        ObjectNode json = JSON.createObjectNode();
        json.put("global_step", progress.step());
        json.put("epoch", progress.epoch());
        json.put("next_batch", progress.batch());
        json.put("best_eval_loss", progress.bestEvaluationLoss());
        json.put("best_metric", progress.bestMetric());
        json.put("evaluations_since_best", progress.evaluationsSinceBest());
        json.put("fingerprint", fingerprint);
        return json.toPrettyString() + "\n";
    }

    private static ObjectNode readProgress(Path file) {
        return InputFiles.jsonObject(file);
    }

    /** Complete checkpoints, the oldest first. */
    private List<Path> all() {
        if (!Files.isDirectory(root)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(root)) {
            return entries.filter(path -> stepOf(path) >= 0)
                    .sorted(Comparator.comparingLong(CheckpointDirectory::stepOf))
                    .toList();
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + root + ": " + Reasons.of(e), e);
        }
    }

    private static long stepOf(Path path) {
        Matcher matcher = NAME.matcher(path.getFileName().toString());
        return matcher.matches() ? Long.parseLong(matcher.group(1)) : -1;
    }
}
