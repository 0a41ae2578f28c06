package org.finetune4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.finetune4j.data.InstructionSamples;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.train.EvaluationMetrics;
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

    @Mixin
    private HeldOutOptions heldOut;

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

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() throws JsonProcessingException {
        heldOut.check();
        List<String> names = metrics.stream()
                .map(String::strip)
                .flatMap(name -> name.equals("rouge") ? Stream.of("rouge1", "rouge2", "rougeL") : Stream.of(name))
                .toList();
        ModelSelection selection = heldOut.selection(names);
        try (CausalLM loaded = model.load();
                Adapter adapter = model.attachAdapter(loaded, false)) {
            print(multipleChoice ? choices(loaded) : measure(loaded, selection));
        }
        return 0;
    }

    private Map<String, Object> choices(CausalLM loaded) {
        MultipleChoice.Result result = new MultipleChoice(loaded).ask(ChoiceQuestion.read(heldOut.data()));
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("accuracy", result.accuracy());
        values.put("normalised_accuracy", result.normalisedAccuracy());
        values.put("questions", result.questions());
        return values;
    }

    private Map<String, Object> measure(CausalLM loaded, ModelSelection selection) {
        InstructionSamples samples = heldOut.samples(loaded);
        EvaluationMetrics result = heldOut.evaluate(loaded, samples, selection);
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
