package org.finetune4j.peft.promptlearning;

import java.util.Arrays;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Virtual tokens that tasks share, times a matrix of low rank that each task has for itself, number by number (Wang et al.
 * 2023, arXiv:2303.02861).
 */
public final class MultitaskEncoder implements PromptEncoder {

    /** What PEFT calls the left factors of all tasks, [tasks, virtualTokens, ranks]. */
    public static final String COLUMNS = "prefix_task_cols";

    /** What PEFT calls the right factors of all tasks, [tasks, ranks, width]. */
    public static final String ROWS = "prefix_task_rows";

    private final EncoderParameters parameters;
    private final Parameter table;
    private final Parameter columns;
    private final Parameter rows;
    private final int tasks;

    /**
     * Makes the parameters.
     *
     * @param model decides type and device
     * @param shared [virtualTokens, width] to start from
     * @param columns [tasks, virtualTokens, ranks] to start from
     * @param rows [tasks, ranks, width] to start from
     * @param trainable whether the parameters train
     */
    public MultitaskEncoder(CausalLM model, Tensor shared, Tensor columns, Tensor rows, boolean trainable) {
        this.parameters = new EncoderParameters(model, trainable);
        this.table = parameters.add(TABLE, shared);
        this.columns = parameters.add(COLUMNS, columns);
        this.rows = parameters.add(ROWS, rows);
        this.tasks = (int) columns.size(0);
    }

    @Override
    public Map<String, Parameter> parameters() {
        return parameters.byName();
    }

    @Override
    public Map<String, String> stored() {
        return Map.of(TABLE, PromptAdapter.PRODUCT, COLUMNS, COLUMNS, ROWS, ROWS);
    }

    @Override
    public int tasks() {
        return tasks;
    }

    /** The virtual tokens that all tasks share, without factors: [virtualTokens, width]. */
    @Override
    public Tensor encode(Dropout dropout) {
        return table.value();
    }

    @Override
    public Tensor encode(int @Nullable [] taskIds, Dropout dropout) {
        int[] own = checked(taskIds);
        Tensor index = Tensors.of(own, own.length).to(table.value().device());
        Tensor left = columns.value().indexSelect(0, index); // [rows, virtualTokens, ranks]
        Tensor right = rows.value().indexSelect(0, index); // [rows, ranks, width]
        Tensor shared = table.value().unsqueeze(0); // [1, virtualTokens, width]
        Tensor product = shared.mul(left.matmul(right)); // [rows, virtualTokens, width]
        return taskIds == null ? product.select(0, 0) : product;
    }

    private int[] checked(int @Nullable [] taskIds) {
        if (taskIds == null) {
            if (tasks > 1) {
                throw new UserErrorException(
                        "the adapter has virtual tokens for " + tasks
                                + " tasks, and the sequences do not say which is theirs: records need 'task_id', prompts a task");
            }
            return new int[1];
        }
        Arrays.stream(taskIds)
                .filter(task -> task < 0 || task >= tasks)
                .findFirst()
                .ifPresent(task -> {
                    throw new UserErrorException("task_id is " + task
                            + ", the adapter has virtual tokens for the tasks 0 to " + (tasks - 1));
                });
        return taskIds;
    }
}
