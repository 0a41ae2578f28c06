package org.finetune4j.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.event.CheckpointEvent;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.objective.SharedWork;
import org.finetune4j.train.optimizer.AveragingProvider;
import org.finetune4j.train.steps.SourceState;
import org.finetune4j.train.steps.StepSource;

/**
 * The checkpoints of one run: {@code checkpoint-STEP} directories, each with what the method saves, the optimizer's state,
 * the random state, the place in the data and a {@link CheckpointManifest}. A directory gets its name when it is complete, and
 * loses it before its first file goes, so any that is there can be resumed from. What has such a name and no manifest was made by
 * others and is never touched.
 */
final class CheckpointDirectory {

    private static final String STATE_FILE = "training_state.safetensors";
    private static final String RANDOM_STATE = "random_state";
    private static final String OPTIMIZER_PREFIX = "optimizer.";
    private static final String SOURCE_PREFIX = "steps.";

    private final Path root;

    CheckpointDirectory(Path root) {
        this.root = root;
    }

    /**
     * Writes a checkpoint and deletes all but the {@code keep} latest. It counts once the manifest, which is written last, knows
     * what every rank has written.
     *
     * @param others write theirs
     */
    Path write(
            TrainingProgress progress,
            String fingerprint,
            RunState run,
            Membership membership,
            SharedWork.Others others,
            int keep) {
        CheckpointEvent event = new CheckpointEvent();
        event.begin();
        Path target = CheckpointName.of(root, progress.step());
        AtomicFiles.writeDirectory(target, partial -> {
            run.strategy().save(partial);
            ObjectNode source = writeState(partial.resolve(STATE_FILE), run, membership);
            others.work(partial);
            new TrainerStateFile(progress, source, fingerprint).write(partial);
            CheckpointManifest.ofDirectory(partial, progress.step()).write(partial);
        });
        List<Path> older = complete().stream()
                .filter(path -> CheckpointName.stepOf(path).orElseThrow() < progress.step())
                .toList();
        for (Path old : older.subList(0, Math.max(0, older.size() + 1 - keep))) {
            AtomicFiles.deleteDirectory(old);
        }
        event.step = progress.step();
        event.directory = target.toString();
        event.commit();
        return target;
    }

    /** The latest checkpoint, if there is one. */
    Optional<Path> latest() {
        List<Path> all = complete();
        return all.isEmpty() ? Optional.empty() : Optional.of(all.get(all.size() - 1));
    }

    /** A directory with a checkpoint's name, whoever made it. */
    Optional<Path> anyNamedSo() {
        return entries().stream()
                .filter(path -> CheckpointName.stepOf(path).isPresent())
                .findFirst();
    }

    /**
     * Makes sure that nothing of others lies where a run will write.
     *
     * @param from the last step before it
     * @param to its last step
     * @throws UserErrorException when there is
     */
    void requireRoom(long from, long to) {
        for (Path entry : entries()) {
            OptionalLong step = CheckpointName.parse(entry);
            boolean inTheWay = step.isPresent() && step.getAsLong() > from && step.getAsLong() <= to;
            if (inTheWay && Files.exists(entry) && !CheckpointManifest.isIn(entry)) {
                throw new UserErrorException(
                        entry + " is no checkpoint of this program, and the run will write one there:"
                                + " move it away or choose another directory");
            }
        }
    }

    /** Finishes or takes away what a killed run left half done. */
    void recover() {
        for (Path entry : entries()) {
            AtomicFiles.leftoverOf(entry)
                    .filter(path -> CheckpointName.parse(path).isPresent())
                    .ifPresent(AtomicFiles::recover);
        }
    }

    /**
     * How far the run of a checkpoint had come.
     *
     * @throws UserErrorException when the checkpoint is broken or belongs to a run over other data or other batches
     */
    static TrainingProgress progressOf(Path checkpoint, String fingerprint) {
        CheckpointManifest manifest = CheckpointManifest.read(checkpoint);
        TrainerStateFile state = TrainerStateFile.read(checkpoint);
        long step = CheckpointName.stepOf(checkpoint).orElse(-1);
        if (manifest.step() != step || state.progress().step() != step) {
            throw new UserErrorException(checkpoint + ": holds step " + manifest.step() + ": give it its name back");
        }
        if (!state.fingerprint().equals(fingerprint)) {
            throw new UserErrorException(checkpoint + ": made by another run: it has " + state.fingerprint()
                    + ", this run has " + fingerprint);
        }
        return state.progress();
    }

    /**
     * Brings the source of steps back to where a checkpoint left it.
     *
     * @throws UserErrorException when the checkpoint is broken
     */
    static void restore(Path checkpoint, StepSource source) {
        TrainerStateFile file = TrainerStateFile.read(checkpoint);
        CheckpointManifest manifest = CheckpointManifest.read(checkpoint);
        try (CheckpointTensors tensors = new CheckpointTensors(checkpoint, manifest);
                TensorScope scope = TensorScope.open()) {
            source.restore(new SourceState(file.source(), tensors.withPrefix(SOURCE_PREFIX)));
        } catch (UserErrorException e) {
            throw new UserErrorException(
                    checkpoint.resolve(TrainerStateFile.NAME) + ": the checkpoint is broken: " + e.getMessage(), e);
        }
    }

    /**
     * Brings weights, optimizer and random state back to where a checkpoint left them.
     *
     * @param averages whether the run keeps averages of its weights
     * @throws UserErrorException when the checkpoint is broken, or was made with other settings
     */
    static void restore(Path checkpoint, RunState run, Membership membership, boolean averages) {
        CheckpointManifest manifest = CheckpointManifest.read(checkpoint);
        run.strategy().restore(checkpoint);
        try (CheckpointTensors tensors = new CheckpointTensors(checkpoint, manifest);
                TensorScope scope = TensorScope.open()) {
            Map<String, Tensor> states = tensors.withPrefix(OPTIMIZER_PREFIX, membership::taken);
            if (!averages) {
                AveragingProvider.requireNone(states.keySet());
            }
            run.optimizer().restore(states);
            RandomGenerator.current().restore(randomState(tensors));
        }
    }

    /** The state of every device's random numbers: the CPU's has the plain name. */
    private static Map<String, byte[]> randomState(CheckpointTensors tensors) {
        Map<String, byte[]> states = new LinkedHashMap<>();
        states.put("cpu", tensors.tensor(RANDOM_STATE).toByteArray());
        tensors.withPrefix(RANDOM_STATE + ".").forEach((device, state) -> states.put(device, state.toByteArray()));
        return states;
    }

    /** Writes all tensors, and gives the values that the source of steps keeps besides. */
    private static ObjectNode writeState(Path file, RunState run, Membership membership) {
        try (TensorScope scope = TensorScope.open()) {
            SourceState source = run.steps().state();
            Map<String, ParameterPart> all = heldState(run, membership);
            source.tensors().forEach((name, tensor) -> all.put(SOURCE_PREFIX + name, ParameterPart.whole(tensor)));
            randomState().forEach(all::put);
            ParameterParts.write(file, membership.ranks(), all);
            return source.values();
        }
    }

    /** Writes what another rank than the first one has. */
    static void writePart(Path partial, RunState run, Membership membership) {
        try (TensorScope scope = TensorScope.open()) {
            Map<String, ParameterPart> all = heldState(run, membership);
            String number = "-" + membership.rank() + "-of-" + membership.ranks();
            ParameterParts.write(partial.resolve(STATE_FILE.replace(".", number + ".")), membership.ranks(), all);
        }
    }

    private static Map<String, ParameterPart> heldState(RunState run, Membership membership) {
        Map<String, ParameterPart> all = new LinkedHashMap<>();
        membership.held(run.optimizer().state()).forEach((name, part) -> all.put(OPTIMIZER_PREFIX + name, part));
        return all;
    }

    private static Map<String, ParameterPart> randomState() {
        Map<String, ParameterPart> states = new LinkedHashMap<>();
        RandomGenerator.current()
                .state()
                .forEach((device, random) -> states.put(
                        device.equals("cpu") ? RANDOM_STATE : RANDOM_STATE + "." + device,
                        ParameterPart.whole(Tensors.of(random, random.length))));
        return states;
    }

    /** Complete checkpoints, the oldest first. */
    private List<Path> complete() {
        return entries().stream()
                .filter(path -> CheckpointName.stepOf(path).isPresent())
                .filter(CheckpointManifest::isIn)
                .sorted(Comparator.comparingLong(
                        path -> CheckpointName.stepOf(path).orElseThrow()))
                .toList();
    }

    private List<Path> entries() {
        if (!Files.isDirectory(root)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(root)) {
            return entries.sorted().toList();
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + root + ": " + Reasons.of(e), e);
        }
    }
}
