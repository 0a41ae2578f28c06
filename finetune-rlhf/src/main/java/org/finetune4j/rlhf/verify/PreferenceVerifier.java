package org.finetune4j.rlhf.verify;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.verify.Check;
import org.finetune4j.verify.Tolerances;

/**
 * Recomputes a folder of recorded results of learning from feedback: log-probabilities of two models, losses of preferences,
 * a reward model, PPO, group methods. A {@code golden.json} says the settings of each. What this class does not know, it
 * reports as a mismatch.
 */
public final class PreferenceVerifier {

    private static final String SUFFIX = ".safetensors";
    private static final String SETTINGS = "golden.json";
    private static final String REWARD = "reward_";
    private static final String GROUP = "grpo/";
    private static final String GROUP_SETUP = "grpo_setup";
    private static final String PPO = "ppo";

    private final CausalLM policy;
    private final Function<Path, CausalLM> loader;
    private final Tolerances tolerances;

    /**
     * Verifies a policy.
     *
     * @param policy the model that learns, in float32
     * @param loader loads the other models, as {@code policy} was
     * @param tolerances the largest differences of logits and parameters' gradients that pass
     */
    public PreferenceVerifier(CausalLM policy, Function<Path, CausalLM> loader, Tolerances tolerances) {
        this.policy = policy;
        this.loader = loader;
        this.tolerances = tolerances;
    }

    /**
     * Compares everything in a folder.
     *
     * @param folder with a {@code golden.json}, which names the reference relative to the folder above
     * @param onCheck told of every result as soon as it is there
     * @return whether everything passed
     * @throws UserErrorException when the folder has no {@code golden.json}, it names no reference, or nothing is recorded
     */
    public boolean verify(Path folder, Consumer<Check> onCheck) {
        JsonNode golden = RecordedSettings.read(folder.resolve(SETTINGS));
        List<Check> checks = new ArrayList<>();
        Comparison compare = new Comparison(tolerances, check -> {
            checks.add(check);
            onCheck.accept(check);
        });
        Set<Path> open = new TreeSet<>(tensorFiles(folder));
        try (CausalLM reference = loader.apply(reference(folder, golden))) {
            if (!haveSameWords(reference, golden, compare)) {
                return false;
            }
            PolicyAndReference models = new PolicyAndReference(policy, reference);
            preferences(folder, golden, models, compare, open);
            visit(folder.resolve("reward/golden.safetensors"), open, compare, file -> {
                try (CausalLM model = loader.apply(folder.resolve("reward"));
                        RecordedTensors batch = new RecordedTensors(folder.resolve("batch.safetensors"))) {
                    new RewardChecks(
                                    model,
                                    RecordedPairs.of(batch, "", model).requirePairs(),
                                    file,
                                    gradients(golden, compare),
                                    compare)
                            .check(golden.path("cases"));
                }
            });
            visit(folder.resolve("ppo/golden.safetensors"), open, compare, file -> new PpoChecks(
                            file, golden.path("cases").path(PPO), compare)
                    .check());
            visit(folder.resolve("grpo/golden.safetensors"), open, compare, file -> {
                JsonNode cases = golden.path("cases");
                GroupChecks groups = new GroupChecks(models, file, cases.path(GROUP_SETUP), compare);
                groups.checkInputs();
                cases.properties().forEach(entry -> {
                    if (entry.getKey().startsWith(GROUP)) {
                        groups.check(entry.getKey().substring(GROUP.length()), entry.getValue());
                    }
                });
            });
        }
        requireFiles(folder, golden, compare);
        open.forEach(
                file -> compare.failed(folder.relativize(file).toString(), "what this file holds is not implemented"));
        if (checks.isEmpty()) {
            throw new UserErrorException(folder + ": neither 'cases' in " + SETTINGS + " nor tensors to compare with");
        }
        return checks.stream().allMatch(Check::passed);
    }

    /** Another model than the one that was recorded gives nothing that could be compared. */
    private boolean haveSameWords(CausalLM reference, JsonNode golden, Comparison compare) {
        long own = policy.network().outputLayer().outFeatures();
        long others = reference.network().outputLayer().outFeatures();
        if (own != others) {
            compare.failed(
                    "policy",
                    "the model scores " + own + " tokens, the recorded reference " + others
                            + ": expected the policy that was recorded, '"
                            + golden.path("policy").asText() + "'");
        }
        return own == others;
    }

    private ParameterGradients gradients(JsonNode golden, Comparison compare) {
        Set<String> zero = new HashSet<>();
        golden.path("zero_grads").forEach(name -> zero.add(name.asText()));
        return new ParameterGradients(compare, zero);
    }

    /** @throws UserErrorException when there is no such folder */
    private static Path reference(Path folder, JsonNode golden) {
        String name = golden.path("reference").asText();
        if (name.isEmpty()) {
            throw new UserErrorException(folder.resolve(SETTINGS) + ": 'reference' names no model");
        }
        Path above = folder.toAbsolutePath().normalize().resolveSibling(name);
        return Files.isDirectory(above) || !Files.isDirectory(folder.resolve(name)) ? above : folder.resolve(name);
    }

    /** All files of tensors below the folder but those of models. */
    private static List<Path> tensorFiles(Path folder) {
        try (Stream<Path> files = Files.walk(folder, 3)) {
            return files.filter(file -> file.toString().endsWith(SUFFIX))
                    .filter(file -> !Files.exists(file.resolveSibling("config.json"))
                            || String.valueOf(file.getFileName()).equals("golden" + SUFFIX))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void preferences(
            Path folder, JsonNode golden, PolicyAndReference models, Comparison compare, Set<Path> open) {
        JsonNode cases = golden.path("cases");
        visit(folder.resolve("batch" + SUFFIX), open, compare, batch -> {
            RecordedPairs rows = RecordedPairs.of(batch, "", models.policy()).requirePairs();
            requireLabels(batch, rows);
            visit(folder.resolve("logps" + SUFFIX), open, compare, logprobs -> {
                LogprobChecks both = new LogprobChecks(rows, compare);
                both.check(logprobs, "policy.", models.policy());
                both.check(logprobs, "reference.", models.reference());
                visit(folder.resolve("losses" + SUFFIX), open, compare, losses -> {
                    LossChecks checks =
                            new LossChecks(models, rows, losses, logprobs, gradients(golden, compare), compare);
                    cases.properties().forEach(entry -> {
                        if (isPreference(entry.getKey())) {
                            checks.check(entry.getKey(), entry.getValue());
                        }
                    });
                    checks.checkRatios(cases);
                });
            });
        });
    }

    private static boolean isPreference(String name) {
        return !name.startsWith(GROUP) && !name.startsWith(REWARD) && !name.equals(PPO) && !name.equals(GROUP_SETUP);
    }

    /** The recorded labels are the answers' tokens. */
    private static void requireLabels(RecordedTensors batch, RecordedPairs rows) {
        if (!batch.has("labels")) {
            return;
        }
        int[][] labels = batch.integers("labels");
        for (int row = 0; row < rows.rows(); row++) {
            for (int t = 0; t < rows.length(); t++) {
                if (labels[row][t] != (rows.answers()[row][t] == 1 ? rows.ids()[row][t] : -100)) {
                    throw new UserErrorException("labels and completion_mask differ in row " + row);
                }
            }
        }
    }

    /** Opens a file where there is one, and afterwards tells of what nobody looked at. */
    private static void visit(Path path, Set<Path> open, Comparison compare, Consumer<RecordedTensors> work) {
        if (!open.remove(path)) {
            return;
        }
        String name = path.getName(path.getNameCount() - 2) + "/" + path.getFileName();
        compare.attempt(name, () -> {
            try (RecordedTensors file = new RecordedTensors(path)) {
                compare.attempt(name, () -> work.accept(file));
                file.unused()
                        .forEach(tensor -> compare.failed(name + " " + tensor, "this quantity is not implemented"));
            }
        });
    }

    /** A case whose file is not there was not compared with anything. */
    private static void requireFiles(Path folder, JsonNode golden, Comparison compare) {
        golden.path("cases").fieldNames().forEachRemaining(name -> {
            String file = name.startsWith(GROUP) || name.equals(GROUP_SETUP)
                    ? "grpo/golden"
                    : name.startsWith(REWARD) ? "reward/golden" : name.equals(PPO) ? "ppo/golden" : "losses";
            for (String needed : isPreference(name) ? List.of(file, "batch", "logps") : List.of(file)) {
                if (!Files.exists(folder.resolve(needed + SUFFIX))) {
                    compare.failed(name, "there is no " + needed + SUFFIX);
                }
            }
        });
    }
}
