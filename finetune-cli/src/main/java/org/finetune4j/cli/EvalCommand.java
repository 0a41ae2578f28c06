package org.finetune4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.AlpacaTemplate;
import org.finetune4j.data.Collator;
import org.finetune4j.data.InstructionDataset;
import org.finetune4j.data.InstructionSamples;
import org.finetune4j.data.PromptTemplate;
import org.finetune4j.data.StringTemplate;
import org.finetune4j.data.TokenizationOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.Evaluator;
import org.finetune4j.train.ModelSelection;
import org.finetune4j.train.evaluation.ChoiceQuestion;
import org.finetune4j.train.evaluation.MultipleChoice;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures a model, with an adapter or without, on data that it was not trained on. */
@Command(
        name = "eval",
        mixinStandardHelpOptions = true,
        description = "Measures a model on instructions with answers, or on multiple-choice questions.")
final class EvalCommand implements Callable<Integer> {

    private static final List<String> BY_LOSS = List.of("loss", "perplexity");

    @Mixin
    private ModelOptions model;

    @Option(names = "--data", required = true, paramLabel = "FILE", description = "Instructions, or questions.")
    private Path data;

    @Option(
            names = "--metrics",
            split = ",",
            defaultValue = "loss,perplexity",
            paramLabel = "NAME",
            description = "loss, perplexity, exact_match, rouge1, rouge2, rougeL, rouge (all three), bleu"
                    + " (default: ${DEFAULT-VALUE}).")
    private List<String> metrics;

    @Option(
            names = "--multiple-choice",
            description = "FILE has lines of {\"prompt\", \"choices\", \"answer\"}: accuracy by log-likelihood.")
    private boolean multipleChoice;

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

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() throws JsonProcessingException {
        if (batchSize < 1 || maxNewTokens < 1) {
            throw new UserErrorException("--batch-size and --max-new-tokens must be positive");
        }
        ModelSelection selection = selection();
        try (CausalLM loaded = model.load();
                Adapter adapter = model.attachAdapter(loaded, false)) {
            print(multipleChoice ? choices(loaded) : measure(loaded, selection));
        }
        return 0;
    }

    private ModelSelection selection() {
        List<String> names = metrics.stream()
                .map(String::strip)
                .flatMap(name ->
                        name.equals("rouge") ? List.of("rouge1", "rouge2", "rougeL").stream() : List.of(name).stream())
                .toList();
        return new ModelSelection(names, "loss", false, false, 0, 0, maxNewTokens, 0);
    }

    private Map<String, Object> choices(CausalLM loaded) {
        MultipleChoice.Result result = new MultipleChoice(loaded).ask(ChoiceQuestion.read(data));
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("accuracy", result.accuracy());
        values.put("normalised_accuracy", result.normalisedAccuracy());
        values.put("questions", result.questions());
        return values;
    }

    private Map<String, Object> measure(CausalLM loaded, ModelSelection selection) {
        PromptTemplate prompt = template.equals("alpaca") ? new AlpacaTemplate() : StringTemplate.of(template);
        int longest = loaded.network().maxPositions();
        InstructionSamples samples = InstructionDataset.load(data)
                .tokenize(
                        loaded.tokenizer(),
                        TokenizationOptions.builder()
                                .maxLength(
                                        maxLength > 0
                                                ? maxLength
                                                : Math.min(TokenizationOptions.DEFAULT_MAX_LENGTH, longest))
                                .template(prompt)
                                .build());
        EvaluationMetrics result =
                new Evaluator(loaded, samples, Collator.of(loaded.tokenizer()), batchSize, selection).evaluate(0);
        Map<String, Object> values = new LinkedHashMap<>();
        for (String name : selection.metrics()) {
            values.put(name, result.metric(name));
        }
        values.put("samples", samples.size());
        if (selection.metrics().stream().anyMatch(BY_LOSS::contains)) {
            values.put("labelled_tokens", result.labelledTokens());
        }
        return values;
    }

    private void print(Map<String, Object> values) throws JsonProcessingException {
        if (json) {
            System.out.println(new ObjectMapper().writeValueAsString(values));
            return;
        }
        values.forEach((name, value) -> System.out.println(String.format(
                Locale.ROOT,
                "%-20s %s",
                name,
                value instanceof Double number ? String.format(Locale.ROOT, "%.6f", number) : value)));
    }
}
