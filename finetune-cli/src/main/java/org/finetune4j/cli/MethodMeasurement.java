package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.Evaluator;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.ModelSelection;
import org.finetune4j.train.memory.ProcessMemory;
import org.jspecify.annotations.Nullable;

/** One training of one method in this process, measured: what it trains, and what that takes and gives. */
final class MethodMeasurement {

    private static final List<String> MEASURED =
            List.of("eval_metrics", "eval_max_new_tokens", "eval_generated_samples");

    private final Map<String, Object> configuration;
    private final double rateScale;

    /**
     * @param configuration a training's keys, without a method's
     * @param rateScale what the methods' learning rates are multiplied by
     */
    MethodMeasurement(Map<String, Object> configuration, double rateScale) {
        this.configuration = new LinkedHashMap<>(configuration);
        this.rateScale = rateScale;
    }

    /**
     * Trains and measures.
     *
     * @param row the method, or null to measure the base alone
     * @param output a directory that the run may write to
     * @throws UserErrorException when there is nothing held out, or the method does not fit the model
     */
    ObjectNode run(@Nullable BenchRow row, Path output) {
        Map<String, Object> keys = new LinkedHashMap<>(configuration);
        keys.put("output_dir", output.toString());
        keys.put("report_to", "none");
        keys.put("num_preview_samples", 0);
        if (row != null) {
            keys.putAll(row.settings());
            keys.put("learning_rate", rateScale * row.learningRate());
        }
        ModelSelection selection = training(keys).arguments().selection();
        // Scores are taken before and after, not while the clock is running.
        MEASURED.forEach(keys::remove);
        TrainingSettings training = training(keys);
        long process = ProcessMemory.afterStart();
        TrainingRecords records = training.data().records();
        try (CausalLM model = training.load(training.model(), records)) {
            TrainingData data = training.data().load(model, records);
            TrainingData.Part heldOut = data.evaluation();
            if (heldOut == null) {
                throw new UserErrorException(
                        "bench methods: set eval_file or eval_fraction: there is nothing to score");
            }
            ObjectNode result = Json.object();
            result.put("model_numbers", numbers(model.network().allParameters()));
            Evaluator evaluator = new Evaluator(
                    model,
                    heldOut.samples(),
                    Collator.of(model),
                    training.arguments().perDeviceEvalBatchSize(),
                    selection);
            if (row == null) {
                score(result, selection, evaluator);
            } else {
                result.put("kind", training.strategy().deltaKind().label());
                TrainingData trainOnly = new TrainingData(data.train(), null, data.form(), data.notes());
                train(training.tuner(model, trainOnly, process), selection, evaluator, result);
            }
            return result;
        }
    }

    private static TrainingSettings training(Map<String, Object> keys) {
        return TrainingSettings.of(new Settings("bench methods", keys));
    }

    private static void train(FineTuner tuner, ModelSelection selection, Evaluator evaluator, ObjectNode result) {
        long start = System.nanoTime();
        try (TrainingResult trained = tuner.train()) {
            result.put("seconds", (System.nanoTime() - start) / 1e9);
            result.put("steps", trained.summary().steps());
            result.put("peak_mb", ProcessMemory.peakMegabytes());
            result.put("trainable", numbers(trained.strategy().trainableParameters()));
            score(result, selection, evaluator);
        }
    }

    private static void score(ObjectNode result, ModelSelection selection, Evaluator evaluator) {
        EvaluationMetrics metrics = evaluator.evaluate(0);
        result.put("loss", metrics.loss());
        selection.metrics().forEach(name -> result.put(name, metrics.metric(name)));
    }

    private static long numbers(Iterable<Parameter> parameters) {
        long numbers = 0;
        for (Parameter parameter : parameters) {
            numbers += parameter.numel();
        }
        return numbers;
    }
}
