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
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.tensor.DType;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Times greedy generation by a model with random weights. */
@Command(
        name = "generate",
        mixinStandardHelpOptions = true,
        description = "Times greedy generation: random weights, a random prompt.")
final class BenchGenerateCommand implements Callable<Integer> {

    @Option(names = "--shape", defaultValue = "smol135", description = "${COMPLETION-CANDIDATES}")
    private BenchShape shape;

    @Option(names = "--batch", defaultValue = "1", description = "Sequences (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(names = "--prompt-tokens", defaultValue = "16", description = "Tokens to start with.")
    private int promptTokens;

    @Option(names = "--new-tokens", defaultValue = "128", description = "Tokens to add (default: ${DEFAULT-VALUE}).")
    private int newTokens;

    @Option(names = "--runs", defaultValue = "3", description = "Times after one that is not counted.")
    private int runs;

    @Option(names = "--dtype", defaultValue = "float32", description = "Type of the weights and the calculation.")
    private String dtype;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        if (batch < 1 || promptTokens < 1 || newTokens < 1 || runs < 1) {
            throw new UserErrorException(
                    "bench generate needs --batch, --prompt-tokens, --new-tokens and --runs above 0");
        }
        List<Double> seconds = new ArrayList<>();
        DType type = DType.parseChoice("--dtype", dtype).orElse(DType.FLOAT32);
        LoadOptions types = LoadOptions.defaults().withDType(type).withComputeDType(type);
        try (CausalLM model = CausalLM.initialize(shape.config(), null, types, 0)) {
            SplittableRandom random = new SplittableRandom(0);
            int vocabulary = (int) model.network().inputEmbedding().count();
            List<int[]> prompts = new ArrayList<>();
            for (int row = 0; row < batch; row++) {
                prompts.add(random.ints(promptTokens, 0, vocabulary).toArray());
            }
            GenerationOptions options = GenerationOptions.greedy(newTokens).toBuilder()
                    .stopTokens(Set.of())
                    .build();
            TextGenerator generator = TextGenerator.of(model);
            for (int run = 0; run <= runs; run++) {
                long start = System.nanoTime();
                generator.completeTokens(prompts, options);
                seconds.add((System.nanoTime() - start) / 1e9);
            }
        }
        List<Double> counted =
                seconds.subList(1, seconds.size()).stream().sorted().toList();
        double median = counted.get(counted.size() / 2);
        ObjectNode result = Json.object();
        result.put("shape", shape.toString());
        result.put("dtype", type.torchName());
        result.put("batch", batch);
        result.put("prompt_tokens", promptTokens);
        result.put("new_tokens", newTokens);
        result.put("median_s", rounded(median, 3));
        result.put("min_s", rounded(counted.get(0), 3));
        result.put("tokens_per_s", rounded(batch * newTokens / median, 1));
        System.out.println(json ? Json.write(result) : Json.writePretty(result));
        return 0;
    }

    private static BigDecimal rounded(double value, int digits) {
        return BigDecimal.valueOf(value).setScale(digits, RoundingMode.HALF_UP);
    }
}
