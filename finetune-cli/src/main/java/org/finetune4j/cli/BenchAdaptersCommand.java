package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.peft.lora.LoraAdapter;
import org.finetune4j.peft.lora.LoraBatch;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Times many adapters on one model: reading them, switching between them, and using all of them in one batch. */
@Command(
        name = "adapters",
        mixinStandardHelpOptions = true,
        description = "Times reading adapters from disk, switching between them, and one batch that uses all of them.")
final class BenchAdaptersCommand implements Callable<Integer> {

    @Option(names = "--model", required = true, paramLabel = "DIR", description = "Model directory.")
    private Path modelDirectory;

    @Option(
            names = "--adapters",
            arity = "1..*",
            required = true,
            paramLabel = "DIR",
            description = "Adapter directories; the same one may be named several times.")
    private List<Path> directories;

    @Option(names = "--switches", defaultValue = "200", description = "Switches to time (default: ${DEFAULT-VALUE}).")
    private int switches;

    @Option(names = "--seq", defaultValue = "32", description = "Tokens a row (default: ${DEFAULT-VALUE}).")
    private int seq;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        if (directories.size() < 2 || switches < 1 || seq < 1) {
            throw new UserErrorException("bench adapters needs two --adapters, --switches 1 and --seq 1 at least");
        }
        ObjectNode result = Json.object();
        try (CausalLM model = CausalLM.load(modelDirectory);
                AdapterSet adapters = AdapterSet.of(model)) {
            result.put("adapters", directories.size());
            result.put("load_ms", median(load(adapters)));
            result.put("numbers_per_adapter", numbers(adapters));
            List<Double> switched = switching(adapters);
            result.put("switch_ms", median(switched));
            result.put("slowest_switch_ms", rounded(switched.get(switched.size() - 1)));
            measureBatch(model, adapters, result);
        }
        System.out.println(json ? Json.write(result) : Json.writePretty(result));
        return 0;
    }

    private List<Double> load(AdapterSet adapters) {
        List<Double> times = new ArrayList<>();
        for (int i = 0; i < directories.size(); i++) {
            String name = name(i);
            Path directory = directories.get(i);
            times.add(milliseconds(() -> adapters.load(name, directory)));
        }
        return times.stream().sorted().toList();
    }

    private long numbers(AdapterSet adapters) {
        Adapter first = adapters.get(name(0));
        return first.parametersByKey().values().stream()
                .mapToLong(parameter -> parameter.numel())
                .sum();
    }

    private List<Double> switching(AdapterSet adapters) {
        List<Double> times = new ArrayList<>();
        for (int i = 0; i < switches; i++) {
            String name = name(i % directories.size());
            times.add(milliseconds(() -> adapters.activate(name)));
        }
        return times.stream().sorted().toList();
    }

    /** One forward pass of a batch with a row for every adapter, beside the same batch without any; LoRA only. */
    private void measureBatch(CausalLM model, AdapterSet adapters, ObjectNode result) {
        adapters.deactivate();
        ModelInputs inputs = randomBatch(model);
        result.put("base_batch_ms", median(forward(model, inputs, null)));
        if (!adapters.names().stream().allMatch(name -> adapters.get(name) instanceof LoraAdapter)) {
            return;
        }
        try (LoraBatch batch = LoraBatch.of(model, adapters)) {
            RowAdapters rows = batch.assign(adapters.names().toArray(String[]::new));
            result.put("mixed_batch_ms", median(forward(model, inputs, rows)));
        }
    }

    private static List<Double> forward(CausalLM model, ModelInputs inputs, @Nullable RowAdapters rows) {
        List<Double> times = new ArrayList<>();
        for (int run = 0; run < 6; run++) {
            double time = milliseconds(() -> {
                try (TensorScope scope = TensorScope.open()) {
                    model.logits(inputs, rows);
                }
            });
            // The first run also pays for what is made once.
            if (run > 0) {
                times.add(time);
            }
        }
        return times.stream().sorted().toList();
    }

    private ModelInputs randomBatch(CausalLM model) {
        int rows = directories.size();
        int vocabulary = (int) model.network().inputEmbedding().count();
        int[] ids =
                new SplittableRandom(0).ints((long) rows * seq, 0, vocabulary).toArray();
        byte[] mask = new byte[ids.length];
        Arrays.fill(mask, (byte) 1);
        return new ModelInputs(rows, seq, ids, mask, null);
    }

    private static String name(int number) {
        return "adapter-" + number;
    }

    private static double milliseconds(Runnable action) {
        long start = System.nanoTime();
        action.run();
        return (System.nanoTime() - start) / 1e6;
    }

    private static BigDecimal median(List<Double> sorted) {
        return rounded(sorted.get(sorted.size() / 2));
    }

    private static BigDecimal rounded(double value) {
        return BigDecimal.valueOf(value).setScale(4, RoundingMode.HALF_UP);
    }
}
