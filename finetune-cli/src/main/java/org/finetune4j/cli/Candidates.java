package org.finetune4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.peft.merge.AdapterMerge;
import org.finetune4j.peft.merge.CheckpointMerge;
import org.finetune4j.peft.merge.CombinationType;
import org.finetune4j.peft.merge.LoraCombination;
import org.finetune4j.peft.merge.MajoritySign;
import org.finetune4j.peft.merge.MergeMethod;
import org.finetune4j.peft.merge.MergeSettings;
import org.finetune4j.train.CheckpointName;

/**
 * The ingredients that a soup may have: adapters of one base, or models.
 *
 * @param directories of the candidates, in the order of their naming
 * @param adapters whether they are adapters
 */
record Candidates(List<Path> directories, boolean adapters) {

    Candidates {
        directories = List.copyOf(directories);
    }

    /**
     * Candidates by directory, and all checkpoints of runs.
     *
     * @throws UserErrorException when one is neither a model nor an adapter, there are both, or fewer than two in all
     */
    static Candidates of(List<Path> named, List<Path> runs) {
        List<Path> all = new ArrayList<>(named);
        runs.forEach(run -> all.addAll(checkpoints(run)));
        if (all.size() < 2) {
            throw new UserErrorException("a soup needs two candidates at least, there are " + all.size()
                    + ": name directories with --candidates, or trainings with --runs (save_total_limit says how many"
                    + " checkpoints they keep)");
        }
        boolean first = isAdapter(all.get(0));
        for (Path directory : all) {
            if (isAdapter(directory) != first) {
                throw new UserErrorException(directory + ": is " + (first ? "a model" : "an adapter") + ", but "
                        + all.get(0) + " is not: a soup has ingredients of one kind");
            }
        }
        return new Candidates(all, first);
    }

    private static boolean isAdapter(Path directory) {
        if (Files.isRegularFile(directory.resolve(AdapterConfigFile.NAME))) {
            return true;
        }
        if (Files.isRegularFile(directory.resolve(ModelConfig.FILE))) {
            return false;
        }
        throw new UserErrorException(directory + ": neither an adapter nor a model: expected " + AdapterConfigFile.NAME
                + " or " + ModelConfig.FILE);
    }

    /** The checkpoints of a run, from the first to the last. */
    static List<Path> checkpoints(Path run) {
        if (!Files.isDirectory(run)) {
            throw new UserErrorException("no run directory " + run);
        }
        try (Stream<Path> entries = Files.list(run)) {
            List<Path> found = entries.filter(
                            path -> CheckpointName.stepOf(path).isPresent())
                    .sorted(Comparator.comparingLong(
                            path -> CheckpointName.stepOf(path).orElseThrow()))
                    .toList();
            if (found.isEmpty()) {
                throw new UserErrorException(run + ": no checkpoint-STEP in it: is it the output_dir of a training?");
            }
            return found;
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + run + ": " + Reasons.of(e), e);
        }
    }

    /**
     * Writes the uniform soup of some of them. Of LoRA adapters it is the one whose change is the mean of their changes,
     * exactly, at the price of the sum of their ranks.
     *
     * @param chosen numbers of the candidates
     * @param rank of a soup of LoRA adapters that is compressed, or 0 for none
     */
    void cook(List<Integer> chosen, int rank, Path output) {
        List<Path> ingredients = chosen.stream().map(directories::get).toList();
        double[] weights = new double[ingredients.size()];
        Arrays.fill(weights, 1.0 / weights.length);
        if (adapters) {
            CombinationType type = rank > 0 ? CombinationType.SVD : CombinationType.CAT;
            AdapterMerge.write(ingredients, weights, new LoraCombination(type, 1, MajoritySign.TOTAL, 0, rank), output);
        } else {
            CheckpointMerge.write(ingredients, null, MergeMethod.LINEAR, MergeSettings.of(weights), output);
        }
    }
}
