package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationEngine;
import org.finetune4j.generate.GenerationLimits;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.GenerationRequest;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.tensor.DType;
import org.finetune4j.train.memory.ProcessMemory;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Times generation by a model with random weights, or by one that lies somewhere. */
@Command(
        name = "generate",
        mixinStandardHelpOptions = true,
        description = "Times generation: random weights or a model's, random prompts.")
final class BenchGenerateCommand implements Callable<Integer> {

    @Option(names = "--shape", defaultValue = "smol135", description = "${COMPLETION-CANDIDATES}")
    private BenchShape shape;

    @Option(names = "--model", paramLabel = "NAME", description = "A model, in place of a shape.")
    private @Nullable String modelName;

    @Option(names = "--batch", defaultValue = "1", description = "Sequences of one length (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(
            names = "--rows",
            description =
                    "Sequences whose prompts have half to one and a half times --prompt-tokens: one by one, then together.")
    private @Nullable Integer rows;

    @Option(names = "--prompt-tokens", defaultValue = "16", description = "Tokens to start with.")
    private int promptTokens;

    @Option(names = "--new-tokens", defaultValue = "128", description = "Tokens to add (default: ${DEFAULT-VALUE}).")
    private int newTokens;

    @Option(names = "--temperature", defaultValue = "0", description = "Draws tokens; 0 takes the likeliest.")
    private double temperature;

    @Option(names = "--runs", defaultValue = "3", description = "Times after one that is not counted.")
    private int runs;

    @Option(names = "--dtype", defaultValue = "float32", description = "Type of random weights and of the calculation.")
    private String dtype;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        if (batch < 1 || promptTokens < 1 || newTokens < 1 || runs < 1 || (rows != null && rows < 1)) {
            throw new UserErrorException(
                    "bench generate needs --batch, --rows, --prompt-tokens, --new-tokens and --runs above 0");
        }
        DType type = DType.parseChoice("--dtype", dtype).orElse(DType.FLOAT32);
        LoadOptions calculated = LoadOptions.defaults().withComputeDType(type);
        GenerationOptions options = GenerationOptions.greedy(newTokens).toBuilder()
                .temperature(temperature)
                .stopTokens(Set.of())
                .build();
        ObjectNode result = Json.object();
        result.put(modelName == null ? "shape" : "model", modelName == null ? shape.toString() : modelName);
        result.put("dtype", type.torchName());
        result.put("temperature", temperature);
        try (CausalLM model = modelName == null
                ? CausalLM.initialize(shape.config(), null, calculated.withDType(type), 0)
                : CausalLM.load(HubModels.directory(modelName), calculated)) {
            result.put("pack_s", rounded(seconds(model::packForGeneration), 3));
            if (rows == null) {
                alike(model, options, result);
            } else {
                compare(model, options, rows, result);
            }
        }
        result.put("peak_mb", ProcessMemory.peakMegabytes());
        System.out.println(json ? Json.write(result) : Json.writePretty(result));
        return 0;
    }

    private void alike(CausalLM model, GenerationOptions options, ObjectNode result) {
        SplittableRandom random = new SplittableRandom(0);
        List<int[]> prompts = new ArrayList<>();
        for (int row = 0; row < batch; row++) {
            prompts.add(prompt(model, random, promptTokens));
        }
        TextGenerator generator = TextGenerator.of(model);
        List<Double> seconds = new ArrayList<>();
        for (int run = 0; run <= runs; run++) {
            seconds.add(seconds(() -> generator.completeTokens(prompts, options)));
        }
        result.put("batch", batch);
        result.put("prompt_tokens", promptTokens);
        result.put("new_tokens", newTokens);
        report(result, "", seconds, batch);
    }

    /** The same requests one by one and in one batch, in turn. */
    private void compare(CausalLM model, GenerationOptions options, int count, ObjectNode result) {
        SplittableRandom random = new SplittableRandom(0);
        List<GenerationRequest> requests = new ArrayList<>();
        for (int row = 0; row < count; row++) {
            int length = Math.max(1, promptTokens / 2 + (int) ((long) promptTokens * row / Math.max(1, count - 1)));
            requests.add(
                    GenerationRequest.of(prompt(model, random, length), options).withFirstStream(row));
        }
        List<Double> alone = new ArrayList<>();
        List<Double> together = new ArrayList<>();
        GenerationLimits limits = GenerationLimits.defaults().withMaxRows(count);
        try (GenerationEngine engine = GenerationEngine.of(model, limits)) {
            for (int run = 0; run <= runs; run++) {
                alone.add(seconds(() -> requests.forEach(request -> engine.generate(List.of(request)))));
                together.add(seconds(() -> engine.generate(requests)));
            }
        }
        result.put("rows", count);
        result.put("prompt_tokens", promptTokens);
        result.put("new_tokens", newTokens);
        double one = report(result, "one_by_one_", alone, count);
        double all = report(result, "", together, count);
        result.put("speedup", rounded(one / all, 2));
    }

    private static int[] prompt(CausalLM model, SplittableRandom random, int length) {
        int vocabulary = (int) model.network().inputEmbedding().count();
        return random.ints(length, 0, vocabulary).toArray();
    }

    private static double seconds(Runnable work) {
        long start = System.nanoTime();
        work.run();
        return (System.nanoTime() - start) / 1e9;
    }

    /** All but the first time, which warms up; gives the median. */
    private double report(ObjectNode result, String prefix, List<Double> seconds, int sequences) {
        List<Double> counted =
                seconds.subList(1, seconds.size()).stream().sorted().toList();
        double median = counted.get(counted.size() / 2);
        result.put(prefix + "median_s", rounded(median, 3));
        result.put(prefix + "min_s", rounded(counted.get(0), 3));
        result.put(prefix + "tokens_per_s", rounded(sequences * newTokens / median, 1));
        return median;
    }

    private static BigDecimal rounded(double value, int digits) {
        return BigDecimal.valueOf(value).setScale(digits, RoundingMode.HALF_UP);
    }
}
