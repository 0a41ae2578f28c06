package org.finetune4j.cli.quickstart;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.cli.quickstart.data.TaskGenerator;
import org.finetune4j.data.format.Instruction;

/**
 * The files of the quick start: the model that ships with this program and the task that it is fine-tuned on.
 *
 * @param base the model directory
 * @param train questions with answers
 * @param heldOut questions about people that nobody is asked about in {@code train}
 */
public record QuickstartTask(Path base, Path train, Path heldOut) {

    /**
     * Writes all files into a directory.
     *
     * @param directory where they go; missing directories are made
     * @return where the files are
     */
    public static QuickstartTask write(Path directory) {
        TaskGenerator.Task task = TaskGenerator.generate(QuickstartRecipe.TASK_SEED, QuickstartRecipe.HELD_OUT_RECORDS);
        QuickstartTask files = new QuickstartTask(
                EmbeddedModel.unpack(directory.resolve("base")),
                directory.resolve("train.jsonl"),
                directory.resolve("held-out.jsonl"));
        writeJsonl(files.train, task.train());
        writeJsonl(files.heldOut, task.heldOut());
        return files;
    }

    /** {@return a training of this task in the words of a configuration, without a method} */
    public Map<String, Object> configuration() {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("model_name_or_path", base.toString());
        keys.put("train_file", train.toString());
        keys.put("eval_file", heldOut.toString());
        keys.put("prompt_template", QuickstartRecipe.TEMPLATE);
        keys.put("max_length", QuickstartRecipe.BLOCK);
        keys.put("per_device_train_batch_size", QuickstartRecipe.BATCH);
        keys.put("per_device_eval_batch_size", QuickstartRecipe.EVALUATION_BATCH);
        keys.put("lr_scheduler_type", "cosine");
        keys.put("warmup_steps", QuickstartRecipe.WARMUP_STEPS);
        keys.put("eval_metrics", List.of("loss", "exact_match"));
        keys.put("eval_max_new_tokens", QuickstartRecipe.MAX_ANSWER_TOKENS);
        return keys;
    }

    private static void writeJsonl(Path file, List<Instruction> records) {
        List<String> lines = new ArrayList<>();
        for (Instruction record : records) {
            lines.add(Json.write(
                    Map.of("instruction", record.instruction(), "input", record.input(), "output", record.output())));
        }
        AtomicFiles.write(file, path -> Files.write(path, lines));
    }
}
