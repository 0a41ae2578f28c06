package org.finetune4j.cli.quickstart;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.cli.quickstart.data.AnswerStyleTask;
import org.finetune4j.cli.quickstart.data.AnswerStyleTask.Item;

/**
 * The files of learning from feedback: the model that ships with this program, and a task whose answers can be given in two
 * ways.
 *
 * @param base the model directory
 * @param taught questions with answers of both kinds, for supervised fine-tuning
 * @param pairs prompts with the answer that is preferred and the other one
 * @param prompts prompts with the sentence that would be right
 * @param heldOut such prompts about people that nobody is asked about otherwise
 * @param questions the held-out task
 */
record AnswerStyleFiles(Path base, Path taught, Path pairs, Path prompts, Path heldOut, List<Item> questions) {

    /** Writes all files into a directory. */
    static AnswerStyleFiles write(Path directory) {
        AnswerStyleTask.Task task =
                AnswerStyleTask.generate(QuickstartRecipe.TASK_SEED, QuickstartRecipe.HELD_OUT_RECORDS);
        AnswerStyleFiles files = new AnswerStyleFiles(
                EmbeddedModel.unpack(directory.resolve("base")),
                directory.resolve("taught.jsonl"),
                directory.resolve("pairs.jsonl"),
                directory.resolve("prompts.jsonl"),
                directory.resolve("held-out.jsonl"),
                task.heldOut());
        write(
                files.taught,
                task.train(),
                item -> Map.of(
                        "instruction",
                        item.question(),
                        "output",
                        item.taughtShort() ? item.shortAnswer() : item.sentence()));
        write(
                files.pairs,
                task.train(),
                item -> Map.of("prompt", prompt(item), "chosen", item.sentence(), "rejected", item.shortAnswer()));
        write(files.prompts, task.train(), AnswerStyleFiles::rollout);
        write(files.heldOut, task.heldOut(), AnswerStyleFiles::rollout);
        return files;
    }

    /** What the model is asked a question with. */
    static String prompt(Item item) {
        return QuickstartRecipe.TEMPLATE.replace("{instruction}", item.question());
    }

    private static Map<String, Object> rollout(Item item) {
        return Map.of("prompt", prompt(item), "answer", item.sentence());
    }

    private static void write(Path file, List<Item> items, Function<Item, Map<String, Object>> record) {
        List<String> lines =
                items.stream().map(item -> Json.write(record.apply(item))).toList();
        AtomicFiles.write(file, path -> Files.write(path, lines));
    }
}
