package org.finetune4j.rlhf.verify;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.CheckpointWriter;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.verify.Check;
import org.finetune4j.verify.Tolerances;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** TRL's recorded numbers are recomputed, all of them, and whatever is not is told. */
class PreferenceVerifierTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens");
    private static final Path POLICY = Path.of("../finetune-core/src/test/resources/goldens/arch/llama");

    @TempDir
    Path directory;

    private static List<Check> verify(Path folder) {
        List<Check> checks = new ArrayList<>();
        try (CausalLM policy = CausalLM.load(POLICY)) {
            boolean passed =
                    new PreferenceVerifier(policy, CausalLM::load, Tolerances.defaults()).verify(folder, checks::add);
            assertEquals(passed, checks.stream().allMatch(Check::passed));
        }
        return checks;
    }

    private static List<String> mismatches(List<Check> checks) {
        return checks.stream()
                .filter(check -> !check.passed())
                .map(Check::toString)
                .toList();
    }

    @Test
    void everythingThatTrlRecordedIsRecomputed() {
        List<Check> checks = verify(GOLDENS.resolve("pref"));
        assertEquals(List.of(), mismatches(checks));
        assertTrue(checks.size() > 290, "only " + checks.size());
    }

    /** Lengths (LD-DPO), likely pairs (WPO), other divergences; written by bench/dpo_goldens.py. */
    @Test
    void weightsOfTokensAndOfPairsAreRecomputed() {
        List<Check> checks = verify(GOLDENS.resolve("pref-weighted"));
        assertEquals(List.of(), mismatches(checks));
        assertTrue(checks.size() > 70, "only " + checks.size());
    }

    /** The folder with some of its files left out. */
    private Path copy(String... without) throws IOException {
        Path source = GOLDENS.resolve("pref");
        Path target = directory.resolve("pref");
        try (Stream<Path> files = Files.walk(source)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                String name = source.relativize(file).toString();
                if (Stream.of(without).noneMatch(name::startsWith)) {
                    Files.createDirectories(target.resolve(name).getParent());
                    if (Files.isRegularFile(file)) {
                        Files.copy(file, target.resolve(name));
                    }
                }
            }
        }
        return target;
    }

    private static void edit(Path folder, Consumer<ObjectNode> change) throws IOException {
        ObjectNode golden = InputFiles.jsonObject(folder.resolve("golden.json"));
        change.accept(golden);
        Files.writeString(folder.resolve("golden.json"), Json.write(golden));
    }

    private static ObjectNode settings(ObjectNode golden, String name) {
        return (ObjectNode) Objects.requireNonNull(golden.get("cases").get(name), name);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "dpo_sigmoid",
                "dpo_hinge",
                "dpo_ipo",
                "dpo_nca",
                "dpo_apo_zero",
                "cdpo_ls0.1",
                "orpo",
                "simpo",
                "cpo",
                "kto"
            })
    void anotherBetaIsFollowedAndMakesAMismatch(String name) throws IOException {
        Path folder = copy("reward/", "ppo/", "grpo/");
        edit(folder, golden -> {
            ((ObjectNode) golden.get("cases")).retain(name);
            settings(golden, name).put("beta", 0.77);
        });
        List<String> wrong = mismatches(verify(folder));
        assertTrue(wrong.stream().anyMatch(line -> line.contains(name + ".loss")), wrong::toString);
        assertTrue(wrong.stream().anyMatch(line -> line.contains(name + ".grad_logits")), wrong::toString);
    }

    private static void assertTold(List<String> wrong, String... expected) {
        for (String part : expected) {
            assertTrue(wrong.stream().anyMatch(line -> line.contains(part)), part + " is not in " + wrong);
        }
        assertTrue(wrong.stream().noneMatch(line -> line.contains("\n")), "one line each");
    }

    @Test
    void settingsThatAreMissingOrNoNumbersAreMismatches() throws IOException {
        Path folder = copy("reward/");
        edit(folder, golden -> {
            settings(golden, "simpo").remove("simpo_gamma");
            settings(golden, "dpo_hinge").put("label_smoothing", "none");
            settings(golden, "dpo_ipo").put("use_weighting", 1);
            settings(golden, "dpo_nca").put("trl_loss_type", 3);
            settings(golden, "ppo").remove("pg_loss");
            settings(golden, "kto").put("loss", Double.NaN);
        });
        Path settings = folder.resolve("golden.json");
        Files.writeString(settings, Files.readString(settings).replace("\"NaN\"", "NaN"));
        assertTold(
                mismatches(verify(folder)),
                "simpo  NaN       limit 0.00  the case has no number 'simpo_gamma'",
                "dpo_hinge  NaN       limit 0.00  the case has no number 'label_smoothing'",
                "'use_weighting' is 1, expected true or false",
                "'trl_loss_type' is 3, expected a name",
                "ppo pg_loss",
                "kto loss  NaN       limit 0.00  the record has NaN, here it is 0.48");
    }

    @Test
    void whatTheSettingsSayOfTheFilesIsHeldAgainstThem() throws IOException {
        Path folder = copy("reward/");
        edit(folder, golden -> {
            settings(golden, "grpo_setup").put("groups", 3);
            settings(golden, "ppo").put("invalid_logprob", 0);
        });
        assertTold(
                mismatches(verify(folder)),
                "grpo_setup groups  NaN       limit 0.00  8 rewards are recorded, expected 3 groups of 4",
                "ppo invalid_logprob  NaN       limit 0.00  logprobs has 1.0 in the padding of row 1, expected 0.0");
    }

    /** A setting of another method is one that nobody follows. */
    @Test
    void settingsOfOtherMethodsAreMismatchesAndNeutralOnesAreNot() throws IOException {
        Path folder = copy("reward/", "ppo/", "grpo/");
        edit(folder, golden -> {
            settings(golden, "simpo").put("trl_loss_type", "hinge");
            settings(golden, "orpo").put("label_smoothing", 0.3);
            settings(golden, "cpo").putArray("trl_loss_type").add("hinge").add("ipo");
            settings(golden, "kto").put("reference_free", true);
            settings(golden, "kto_apo_zero_unpaired").remove("kl_rows");
            settings(golden, "dpo_hinge").putNull("loss_weights").put("alpha", 0);
        });
        List<String> wrong = mismatches(verify(folder));
        assertTold(
                wrong,
                "simpo  NaN       limit 0.00  this loss is not implemented",
                "orpo  NaN       limit 0.00  the setting 'label_smoothing' is not implemented",
                "cpo  NaN       limit 0.00  'trl_loss_type' is [\"hinge\",\"ipo\"], expected one name",
                "kto  NaN       limit 0.00  the setting 'reference_free' is not implemented");
        assertTrue(
                wrong.stream().noneMatch(line -> line.contains("apo_zero_unpaired") || line.contains("dpo_hinge")),
                wrong::toString);
    }

    /** Writes a file of tensors again. */
    private static void rewrite(Path path, Consumer<Map<String, Tensor>> change) throws IOException {
        Path target = path.resolveSibling("rewritten");
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile file = SafetensorsFile.open(path)) {
            Map<String, Tensor> tensors = new TreeMap<>();
            file.names().forEach(name -> tensors.put(name, file.tensor(name)));
            change.accept(tensors);
            List<SafetensorsWriter.Entry> entries = new ArrayList<>();
            tensors.forEach((name, tensor) ->
                    entries.add(new SafetensorsWriter.Entry(name, tensor.dtype(), tensor.shape(), tensor::contiguous)));
            CheckpointWriter.write(target, entries, Long.MAX_VALUE);
        }
        Files.move(target.resolve("model.safetensors"), path, StandardCopyOption.REPLACE_EXISTING);
    }

    @Test
    void tensorsThatAreMissingOrOfAnotherShapeAreMismatches() throws IOException {
        Path folder = copy("reward/");
        rewrite(folder.resolve("ppo/golden.safetensors"), tensors -> {
            tensors.remove("k1.kl");
            tensors.remove("grad.vpred");
        });
        rewrite(
                folder.resolve("grpo/golden.safetensors"),
                tensors -> tensors.computeIfPresent("old_logps", (name, all) -> all.narrow(1, 0, 2)));
        rewrite(
                folder.resolve("logps.safetensors"),
                tensors -> tensors.computeIfPresent("policy.per_token_logps", (name, all) -> all.narrow(1, 0, 4)));
        assertTold(
                mismatches(verify(folder)),
                "ppo/k1.kl  NaN       limit 0.00  golden.safetensors has no tensor 'k1.kl'",
                "ppo/grad.vpred  NaN",
                "grpo/grpo  NaN",
                "policy.per_token_logps  NaN       limit 0.00  row 0 has 15 numbers, 4 are recorded");
    }

    @Test
    void filesThatAreCutShortAreMismatchesAndAnEmptyRecordIsRefused() throws IOException {
        Path folder = copy("reward/", "ppo/", "grpo/");
        Path losses = folder.resolve("losses.safetensors");
        byte[] bytes = Files.readAllBytes(losses);
        Files.write(losses, Arrays.copyOf(bytes, bytes.length / 2));
        assertTold(mismatches(verify(folder)), "losses.safetensors  NaN");
        for (String name : List.of("batch", "logps", "losses")) {
            Files.delete(folder.resolve(name + ".safetensors"));
        }
        edit(folder, golden -> golden.remove("cases"));
        assertThrows(UserErrorException.class, () -> verify(folder));
    }

    /** Padding before a row counts in transformers where nothing else is recorded. */
    @Test
    void rowsThatArePaddedOnTheLeftHaveTheirPositions() throws IOException {
        Path batch = copy("reward/", "ppo/", "grpo/").resolve("batch.safetensors");
        int[] backwards = IntStream.range(0, 16).map(i -> 15 - i).toArray();
        rewrite(batch, tensors -> {
            Tensor order = Tensors.of(backwards, 16).to(DType.INT64);
            tensors.replaceAll((name, all) -> all.indexSelect(1, order));
        });
        try (CausalLM policy = CausalLM.load(POLICY);
                RecordedTensors file = new RecordedTensors(batch)) {
            int[] positions = RecordedPairs.of(file, "", policy)
                    .batch(row -> false, Map.of())
                    .positionIds();
            assertArrayEquals(IntStream.range(0, 6 * 16).map(i -> i % 16).toArray(), Objects.requireNonNull(positions));
        }
    }

    @Test
    void whatIsNotKnownIsAMismatch() throws IOException {
        Path folder = copy("reward/", "ppo/golden", "grpo/");
        Files.copy(folder.resolve("batch.safetensors"), folder.resolve("more.safetensors"));
        edit(folder, golden -> {
            settings(golden, "dpo_hinge").put("unheard_of", 0.5);
            settings(golden, "dpo_ipo").put("trl_loss_type", "unheard_of");
            ((ObjectNode) settings(golden, "cpo").get("metrics")).put("novelty", 1);
            ((ObjectNode) golden.get("cases")).putObject("abc_new").put("loss", 1);
        });
        List<String> wrong = mismatches(verify(folder));
        for (String expected : List.of(
                "dpo_hinge  NaN       limit 0.00  the setting 'unheard_of' is not implemented",
                "dpo_ipo  NaN       limit 0.00  there is no loss_type 'unheard_of'",
                "cpo novelty",
                "abc_new",
                "more.safetensors",
                "losses.safetensors dpo_ipo.grad_logits",
                "ppo  NaN       limit 0.00  there is no ppo/golden.safetensors",
                "reward_plain")) {
            assertTrue(wrong.stream().anyMatch(line -> line.contains(expected)), expected + " is not in " + wrong);
        }
        assertFalse(wrong.stream().anyMatch(line -> line.contains("dpo_sigmoid")), wrong::toString);
    }
}
