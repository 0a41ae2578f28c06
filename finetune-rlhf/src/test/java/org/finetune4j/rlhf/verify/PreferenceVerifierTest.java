package org.finetune4j.rlhf.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.model.CausalLM;
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
