package org.finetune4j.cli;

import static org.finetune4j.cli.CommandRun.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code stage: distill} by configuration: a student comes nearer to its teacher, and mistakes are one line. */
@Tag("slow")
class DistillationStageTest {

    /** The student after a training on the labels: an adapter that names its base. */
    @TempDir
    static Path trained;

    @TempDir
    Path directory;

    private TrainingFiles files;
    private Path teacher;

    @BeforeAll
    static void teach() {
        assertEquals(
                0,
                new TrainingFiles(trained)
                        .train("max_steps=20", "learning_rate=1e-2")
                        .exitCode());
    }

    @BeforeEach
    void prepare() {
        files = new TrainingFiles(directory);
        teacher = trained.resolve("out");
    }

    private CommandRun distill(String... more) {
        List<String> keys = new ArrayList<>(List.of("teacher_model_name_or_path=" + teacher));
        keys.addAll(List.of(more));
        return distillWithout(keys.toArray(String[]::new));
    }

    private CommandRun distillWithout(String... more) {
        List<String> keys = new ArrayList<>(List.of(
                "stage=distill",
                "eval_file=" + files.data,
                "max_new_tokens=8",
                "max_steps=10",
                "eval_strategy=steps",
                "eval_steps=10",
                "learning_rate=1e-2",
                "report_to=html"));
        keys.addAll(List.of(more));
        return files.train(keys.toArray(String[]::new));
    }

    private double divergence(int evaluation) {
        return files.events("evaluation")
                .get(evaluation)
                .path("scores")
                .path("distillation")
                .asDouble();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "distillation_loss=forward_kl lmbda=0",
                "distillation_loss=reverse_kl lmbda=1",
                "distillation_loss=jsd jsd_beta=0.3 distillation_temperature=2 distillation_alpha=0.5",
                "beta=0.1 seq_kd=true load_best_model_at_end=true metric_for_best_model=cross_entropy save_strategy=steps save_steps=10",
                "loss_top_k=16 beta=0",
                "method=prompt_tuning num_virtual_tokens=6 lmbda=0.5 learning_rate=0.1",
            })
    void aStudentComesNearerToItsTeacher(String keys) throws IOException {
        if (keys.contains("prompt_tuning")) {
            TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
        }
        CommandRun run = distill(keys.trim().split(" "));
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(divergence(1) < divergence(0), divergence(0) + " to " + divergence(1));
        assertTrue(files.events("step").get(0).toString().contains("distillation"), run.toString());
        assertTrue(Files.exists(files.output.resolve("adapter_model.safetensors")));
    }

    @Test
    void plainTextTeachesToo() throws IOException {
        Path text = directory.resolve("text.txt");
        TrainingFiles.write(text, "Tom lives in Oslo. The pet of Tom is a dog.\n".repeat(20));
        CommandRun run = distill("train_file=" + text, "eval_file=" + text, "train_on=all");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(divergence(1) < divergence(0), divergence(0) + " to " + divergence(1));
        AtomicFiles.deleteTree(files.output);
        assertRefused(distill("train_file=" + text, "eval_file=" + text, "lmbda=0.5"), "'lmbda'", "plain text");
    }

    @Test
    void theTeacherIsNotNeededAgainWhereWhatItSaidIsKept() throws IOException {
        Path kept = directory.resolve("kept");
        assertEquals(0, distill("teacher_logits=" + kept, "loss_top_k=16").exitCode());
        double first = divergence(1);
        AtomicFiles.deleteTree(files.output);
        assertRefused(distill("teacher_logits=" + kept, "teacher_model_name_or_path=" + files.model), "of the teacher");
        CommandRun run = distillWithout("teacher_logits=" + kept);
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(first, divergence(1), 1e-6);
        AtomicFiles.deleteTree(files.output);
        assertRefused(distill("teacher_logits=" + kept, "max_length=17"), "of other samples");
        assertRefused(distill("teacher_logits=" + kept, "loss_top_k=3"), "loss_top_k is 3");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "distillation_loss=forwardkl            | 'distillation_loss'",
                "distillation_loss=forward_kl beta=0.5  | 'beta' and 'distillation_loss' say the same",
                "distillation_loss=forward_kl jsd_beta=0.5 | 'jsd_beta' changes nothing",
                "beta=1.5                               | 'beta'",
                "lmbda=2                                | 'lmbda'",
                "distillation_temperature=0             | 'distillation_temperature'",
                "distillation_alpha=-1                  | 'distillation_alpha'",
                "teacher_model_name_or_path=./nowhere/at/all | there is no directory ./nowhere/at/all",
                "teacher_adapter_name_or_path=nowhere   | there is no directory nowhere",
                "loss_top_k=8 lmbda=0.5                 | leave one of them out",
                "train_on=all seq_kd=true               | needs prompts to answer",
                "stage=sft                              | belongs to stage distill",
                "lmbdaa=0.5                             | unknown key 'lmbdaa'"
            })
    void mistakesAreOneLine(String keys, String expected) {
        assertRefused(distill(keys.trim().split(" ")), expected.trim());
    }

    @Test
    void aTeacherOfOtherWordsIsOneLine() throws IOException {
        Path other = directory.resolve("other");
        Files.createDirectories(other);
        for (String name : List.of("config.json", "model.safetensors", "tokenizer_config.json")) {
            if (Files.exists(files.model.resolve(name))) {
                Files.copy(files.model.resolve(name), other.resolve(name));
            }
        }
        String words = Files.readString(files.model.resolve("tokenizer.json"));
        Files.writeString(other.resolve("tokenizer.json"), words.replaceFirst("\"Q\" :", "\"QQQ\" :"));
        assertRefused(distill("teacher_model_name_or_path=" + other), "another tokenizer: id ", "'QQQ'");
    }
}
