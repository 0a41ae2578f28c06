package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.AlpacaTemplate;
import org.finetune4j.data.Collator;
import org.finetune4j.data.InstructionDataset;
import org.finetune4j.data.InstructionSamples;
import org.finetune4j.data.PromptTemplate;
import org.finetune4j.data.StringTemplate;
import org.finetune4j.data.TokenizationOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.Evaluator;
import org.finetune4j.train.ModelSelection;
import picocli.CommandLine.Option;

/** The options of commands that measure models on held-out instructions. */
final class HeldOutOptions {

    @Option(
            names = "--data",
            required = true,
            paramLabel = "FILE",
            description = "Held-out instructions, or questions.")
    private Path data;

    @Option(names = "--batch-size", defaultValue = "8", paramLabel = "N", description = "Default: ${DEFAULT-VALUE}.")
    private int batchSize;

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
            defaultValue = "alpaca",
            paramLabel = "TEXT",
            description = "alpaca, or a text with {instruction} and {input}.")
    private String template;

    Path data() {
        return data;
    }

    /**
     * Refuses numbers that cannot be.
     *
     * @throws UserErrorException when one is not positive
     */
    void check() {
        if (batchSize < 1 || maxNewTokens < 1) {
            throw new UserErrorException("--batch-size and --max-new-tokens must be positive");
        }
    }

    /** The metrics of these names; an unknown one is refused. */
    ModelSelection selection(List<String> metrics) {
        return new ModelSelection(metrics, "loss", false, false, 0, 0, maxNewTokens, 0);
    }

    /** The held-out file as token ids of a model. */
    InstructionSamples samples(CausalLM model) {
        PromptTemplate prompt = template.equals("alpaca") ? new AlpacaTemplate() : StringTemplate.of(template);
        int longest =
                Math.min(TokenizationOptions.DEFAULT_MAX_LENGTH, model.network().maxPositions());
        return InstructionDataset.load(data)
                .tokenize(
                        model.tokenizer(),
                        TokenizationOptions.builder()
                                .maxLength(maxLength > 0 ? maxLength : longest)
                                .template(prompt)
                                .build());
    }

    /** Measures a model as it is now. */
    EvaluationMetrics evaluate(CausalLM model, InstructionSamples samples, ModelSelection selection) {
        return new Evaluator(model, samples, Collator.of(model.tokenizer()), batchSize, selection).evaluate(0);
    }
}
