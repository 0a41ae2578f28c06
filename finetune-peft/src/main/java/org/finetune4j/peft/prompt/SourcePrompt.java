package org.finetune4j.peft.prompt;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.promptlearning.PromptAdapter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/**
 * An adapter of multi-task prompt tuning that a new one starts from, as PEFT's {@code prompt_tuning_init_state_dict_path}.
 *
 * @param file its {@code adapter_model.safetensors}, or the directory that has it
 * @param part what is taken of it
 * @param task the number of the task of {@link Part#EXACT_SOURCE_TASK}
 */
public record SourcePrompt(Path file, Part part, int task) {

    /** What a prompt takes from its source. */
    public enum Part {
        /** The virtual tokens that the tasks share, and the means of the tasks' factors. */
        AVERAGE_SOURCE_TASKS,
        /** The virtual tokens that the tasks share, and the factors of one task. */
        EXACT_SOURCE_TASK,
        /** The virtual tokens that the tasks share; factors start as without a source. */
        ONLY_SOURCE_SHARED
    }

    /**
     * A copy of the virtual tokens that the tasks share.
     *
     * @param virtualTokens how many there must be
     * @param width of each
     * @return [virtualTokens, width] in float32
     */
    Tensor shared(int virtualTokens, long width) {
        return tensor(PromptAdapter.PRODUCT, new long[] {virtualTokens, width});
    }

    /**
     * One task's left or right factors: the mean of all, or those of the task.
     *
     * @param name in PEFT's file
     * @param rows of one task's factor
     * @param columns of one task's factor
     * @return [1, rows, columns] in float32
     */
    Tensor factor(String name, long rows, long columns) {
        Tensor all = tensor(name, new long[] {-1, rows, columns}); // [tasks, rows, columns]
        if (part == Part.AVERAGE_SOURCE_TASKS) {
            return all.mean(0, true);
        }
        if (task >= all.size(0)) {
            throw new UserErrorException("'prompt_tuning_init_task' is " + task + ", " + weights()
                    + " has the tasks 0 to " + (all.size(0) - 1));
        }
        return all.select(0, task).unsqueeze(0);
    }

    private Path weights() {
        if (Files.isDirectory(file)) {
            AdapterWeights.refusePickled(file);
            return file.resolve(AdapterWeights.NAME);
        }
        if (!file.toString().endsWith(".safetensors")) {
            throw new UserErrorException("'prompt_tuning_init_state_dict_path': " + file
                    + " is no safetensors file: pickled ones can run code when they are read; save the adapter again");
        }
        return file;
    }

    /** @param shape as it must be; -1 for any number */
    private Tensor tensor(String name, long[] shape) {
        Path path = weights();
        try (SafetensorsFile opened = SafetensorsFile.open(path)) {
            if (!opened.contains(name)) {
                throw new UserErrorException(
                        path + ": no tensor '" + name + "': expected an adapter of multi-task prompt tuning");
            }
            long[] own = opened.info(name).shape();
            boolean fits = own.length == shape.length && own[0] > 0;
            for (int i = 0; fits && i < own.length; i++) {
                fits = shape[i] == -1 || shape[i] == own[i];
            }
            if (!fits) {
                throw new UserErrorException(path + ": tensor '" + name + "' has the shape " + Arrays.toString(own)
                        + ", these settings and this base model need "
                        + Arrays.toString(shape).replace("-1", "any"));
            }
            return opened.tensor(name).to(DType.FLOAT32).copy();
        }
    }
}
