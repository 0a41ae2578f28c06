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
import org.finetune4j.train.optimizer.Optimizer;

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
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path root;

    CheckpointDirectory(Path root) {
        this.root = root;
    }

    /** Writes a checkpoint and deletes all but the {@code keep} latest. */
    Path write(
            TrainingProgress progress, String fingerprint, AttachedStrategy strategy, Optimizer optimizer, int keep) {
        Path target = root.resolve("checkpoint-" + progress.step());
        AtomicFiles.writeDirectory(target, partial -> {
            strategy.save(partial);
            writeState(partial.resolve(STATE_FILE), optimizer);
            Files.writeString(partial.resolve(PROGRESS_FILE), toJson(progress, fingerprint));
        });
        List<Path> all = all();
        for (Path old : all.subList(0, Math.max(0, all.size() - keep))) {
            AtomicFiles.deleteTree(old);
        }
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
            Path checkpoint, String fingerprint, AttachedStrategy strategy, Optimizer optimizer) {
        ObjectNode json = readProgress(checkpoint.resolve(PROGRESS_FILE));
        String saved = json.path("fingerprint").asText();
        if (!saved.equals(fingerprint)) {
            throw new UserErrorException(
                    checkpoint + ": made by another run: it has " + saved + ", this run has " + fingerprint);
        }
        strategy.restore(checkpoint);
        try (SafetensorsFile file = SafetensorsFile.open(checkpoint.resolve(STATE_FILE));
                TensorScope scope = TensorScope.open()) {
            Map<String, Tensor> state = new LinkedHashMap<>();
            for (String name : file.names()) {
                if (name.startsWith(OPTIMIZER_PREFIX)) {
                    state.put(name.substring(OPTIMIZER_PREFIX.length()), file.tensor(name));
                }
            }
            optimizer.restore(state);
            Torch.setRandomState(file.tensor(RANDOM_STATE).toByteArray());
        }
        Double best =
                json.hasNonNull("best_eval_loss") ? json.get("best_eval_loss").asDouble() : null;
        return new TrainingProgress(
                json.path("global_step").asLong(),
                json.path("epoch").asInt(),
                json.path("next_batch").asInt(),
                best);
    }

    private static void writeState(Path file, Optimizer optimizer) {
        try (TensorScope scope = TensorScope.open()) {
            List<Entry> entries = new ArrayList<>();
            optimizer
                    .state()
                    .forEach((name, tensor) -> entries.add(
                            new Entry(OPTIMIZER_PREFIX + name, tensor.dtype(), tensor.shape(), tensor::detach)));
            byte[] random = Torch.randomState();
            Tensor randomState = Tensors.of(random, random.length);
            entries.add(new Entry(RANDOM_STATE, randomState.dtype(), randomState.shape(), randomState::detach));
            SafetensorsWriter.write(file, entries, Map.of("format", "pt"));
        }
    }

    private static String toJson(TrainingProgress progress, String fingerprint) {
        ObjectNode json = JSON.createObjectNode();
        json.put("global_step", progress.step());
        json.put("epoch", progress.epoch());
        json.put("next_batch", progress.batch());
        json.put("best_eval_loss", progress.bestEvaluationLoss());
        json.put("fingerprint", fingerprint);
        return json.toPrettyString() + "\n";
    }

    private static ObjectNode readProgress(Path file) {
        try {
            if (JSON.readTree(file.toFile()) instanceof ObjectNode object) {
                return object;
            }
            throw new UserErrorException(file + ": expected a JSON object");
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + file + ": " + Reasons.of(e), e);
        }
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
