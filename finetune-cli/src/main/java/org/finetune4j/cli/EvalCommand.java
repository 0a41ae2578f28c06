package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.WeightCompression;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.arguments.ModelSelection;
import org.finetune4j.train.evaluation.ChoiceQuestion;
import org.finetune4j.train.evaluation.MultipleChoice;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Measures a model, with an adapter or without, on data that it was not trained on. */
@Command(
        name = "eval",
        mixinStandardHelpOptions = true,
        description = "Measures a model on records in any format, or on multiple-choice questions.")
final class EvalCommand implements Callable<Integer> {

    private static final List<String> BY_LOSS = List.of("loss", "perplexity");

    @Mixin
    private ModelOptions model;

    @Mixin
    private HeldOutOptions heldOut;

    @Option(
            names = "--config",
            paramLabel = "CONFIG.yaml",
            description = "Measure on what this training's configuration holds out, read as it reads it.")
    private @Nullable Path config;

    @Option(names = "--by-task", description = "Give the numbers of each task, too.")
    private boolean byTask;

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
            description =
                    "Accuracy by log-likelihood: records of {\"prompt\", \"choices\", \"answer\"}, or others whose"
                            + " answers are a few classes.")
    private boolean multipleChoice;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Parameters(
            arity = "0..*",
            paramLabel = "key=value",
            description =
                    "Keys of a configuration that say how data is read: dataset_format=messages, columns, templates,"
                            + " chat_template, train_on, ...")
    private List<String> keys = new ArrayList<>();

    @Override
    public Integer call() {
        heldOut.check();
        if (heldOut.data().isEmpty() == (config == null)) {
            throw new UserErrorException("eval needs --data or --config, one of them");
        }
        if (multipleChoice && byTask) {
            throw new UserErrorException("--by-task does not go with --multiple-choice: measure one file at a time");
        }
        EvalData source = config == null ? heldOut.records(keys) : EvalData.ofConfiguration(config, keys);
        ModelSelection selection = heldOut.selection(source.isOfLanguage() ? names() : List.of());
        if (!source.isOfLanguage() && (multipleChoice || byTask)) {
            throw new UserErrorException("--multiple-choice and --by-task measure language models, not stage "
                    + source.settings().stage().name());
        }
        WeightCompression compression = model.hasAdapter() ? source.compression() : null;
        try (CausalLM loaded = model.load(compression);
                Adapter adapter = model.attachAdapter(loaded, false)) {
            print(
                    !source.isOfLanguage()
                            ? byObjective(loaded, adapter, source)
                            : multipleChoice ? choices(loaded, source) : measure(loaded, source, selection));
        }
        return 0;
    }

    /** A configuration's own where it is asked for: the loss of some stages is a mean of batches' means. */
    private @Nullable Integer batchSize() {
        if (config != null) {
            return heldOut.wantedBatchSize();
        }
        return heldOut.batchSize();
    }

    /** What a training of the stage measures before its first step. */
    private Map<String, Object> byObjective(CausalLM loaded, @Nullable Adapter adapter, EvalData source) {
        Path nothing = AtomicFiles.temporaryDirectory("eval");
        try {
            TrainingSettings training = source.training(model.directory(), batchSize(), nothing);
            TrainingData data = training.data().load(loaded);
            data.notes().forEach(note -> System.err.println("data: " + note));
            TrainingData.Part held = EvalData.required(data.evaluation());
            EvaluationMetrics result =
                    training.tuner(loaded, data, 0).evaluate(adapter == null ? AttachedStrategy.none() : adapter);
            Map<String, Object> values = new LinkedHashMap<>();
            if (names().equals(BY_LOSS)) {
                values.put("loss", result.loss());
                values.putAll(result.scores());
            } else {
                names().forEach(name -> values.put(name, result.metric(name)));
            }
            values.put("samples", held.samples().size());
            return values;
        } finally {
            AtomicFiles.deleteTemporary(nothing);
        }
    }

    private List<String> names() {
        return ModelSelection.metricsNamed(metrics.stream().map(String::strip).toList());
    }

    private Map<String, Object> choices(CausalLM loaded, EvalData source) {
        List<ChoiceQuestion> questions = config == null && ChoiceQuestion.areIn(heldOut.data())
                ? ChoiceQuestion.read(heldOut.data())
                : source.classification(loaded);
        MultipleChoice.Result result = new MultipleChoice(loaded).ask(questions);
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("accuracy", result.accuracy());
        values.put("normalised_accuracy", result.normalisedAccuracy());
        values.put("questions", result.questions());
        return values;
    }

    private Map<String, Object> measure(CausalLM loaded, EvalData source, ModelSelection selection) {
        TrainingData.Part part = source.load(loaded);
        Map<String, Object> values = measure(loaded, part.samples(), selection);
        if (byTask) {
            Map<String, Object> tasks = new LinkedHashMap<>();
            source.byTask(part, loaded).forEach((name, own) -> tasks.put(name, measure(loaded, own, selection)));
            values.put("tasks", tasks);
        }
        return values;
    }

    private Map<String, Object> measure(CausalLM loaded, TrainingDataset samples, ModelSelection selection) {
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

    private void print(Map<String, Object> values) {
        if (json) {
            System.out.println(Json.write(values));
        } else {
            print("", values);
        }
    }

    private static void print(String task, Map<String, Object> values) {
        values.forEach((name, value) -> {
            if (value instanceof Map<?, ?> inner) {
                Map<String, Object> numbers = new LinkedHashMap<>();
                inner.forEach((key, number) -> numbers.put(String.valueOf(key), number));
                print(name.equals("tasks") ? "" : name + "  ", numbers);
            } else {
                Object shown = value instanceof Double number ? String.format(Locale.ROOT, "%.6f", number) : value;
                System.out.println(String.format(Locale.ROOT, "%s%-20s %s", task, name, shown));
            }
        });
    }
}
