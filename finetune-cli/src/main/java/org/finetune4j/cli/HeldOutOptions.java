package org.finetune4j.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.Evaluator;
import org.finetune4j.train.arguments.ModelSelection;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options of commands that measure models on held-out records. */
final class HeldOutOptions {

    private static final int USUAL_BATCH = 8;

    @Option(
            names = "--data",
            arity = "1..*",
            paramLabel = "FILE",
            description = "Records in any format that training reads, or questions: files, directories, patterns.")
    private List<String> data = new ArrayList<>();

    @Option(
            names = "--batch-size",
            paramLabel = "N",
            description = "Samples that go through the model together (default: " + USUAL_BATCH
                    + ", or what a configuration says).")
    private @Nullable Integer batchSize;

    @Option(names = "--max-length", defaultValue = "0", paramLabel = "N", description = "Tokens of a sample at most.")
    private int maxLength;

    @Option(
            names = "--max-new-tokens",
            defaultValue = "128",
            paramLabel = "N",
            description = "Longest answer (default: ${DEFAULT-VALUE}).")
    private int maxNewTokens;

    @Option(
            names = "--prompt-template",
            defaultValue = DataSettings.TRAINED,
            paramLabel = "TEXT",
            description =
                    "trained (what the model or adapter was trained with, else alpaca), alpaca, chat, or a text with"
                            + " {instruction} and {input} (default: ${DEFAULT-VALUE}).")
    private String template;

    /** Samples that go through the model together. */
    int batchSize() {
        return batchSize == null ? USUAL_BATCH : batchSize;
    }

    /** The same where somebody said it. */
    @Nullable
    Integer wantedBatchSize() {
        return batchSize;
    }

    /** The files that were named, perhaps none. */
    List<String> data() {
        return data;
    }

    /**
     * Refuses numbers that cannot be.
     *
     * @throws UserErrorException when one is not positive
     */
    void check() {
        if (batchSize() < 1 || maxNewTokens < 1) {
            throw new UserErrorException("--batch-size and --max-new-tokens must be positive");
        }
    }

    /** The metrics of these names; an unknown one is refused. */
    ModelSelection selection(List<String> metrics) {
        return new ModelSelection(metrics, "loss", false, false, 0, 0, maxNewTokens, 0);
    }

    /**
     * The records of the files.
     *
     * @param keys more keys of a configuration, such as {@code dataset_format=messages}
     * @throws UserErrorException when no file was named
     */
    EvalData records(List<String> keys) {
        if (data.isEmpty()) {
            throw new UserErrorException("name the records to measure on with --data");
        }
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("prompt_template", template);
        if (maxLength > 0) {
            settings.put("max_length", maxLength);
        }
        return EvalData.ofFiles(data, settings, keys);
    }

    /** Measures a model as it is now. */
    EvaluationMetrics evaluate(CausalLM model, TrainingDataset samples, ModelSelection selection) {
        return new Evaluator(model, samples, Collator.of(model), batchSize(), selection).evaluate(0);
    }
}
