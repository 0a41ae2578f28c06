package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.examples.LoadedExamples;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.supervised.AlpacaTemplate;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.memory.ProcessMemory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Times supervised fine-tuning on real records, with nothing set that a user would not set. */
@Command(
        name = "sft",
        mixinStandardHelpOptions = true,
        description =
                "Times LoRA on Alpaca records, prompts masked: random weights, float32, the first batch not counted.")
final class BenchSftCommand implements Callable<Integer> {

    @Option(names = "--shape", defaultValue = "smol135", description = "${COMPLETION-CANDIDATES}")
    private BenchShape shape;

    @Option(names = "--tokenizer", required = true, paramLabel = "DIR", description = "Directory with tokenizer.json.")
    private Path tokenizer;

    @Option(names = "--data", required = true, paramLabel = "FILE", description = "Records in Alpaca's form.")
    private Path data;

    @Option(names = "--records", defaultValue = "64", description = "Records that count (default: ${DEFAULT-VALUE}).")
    private int records;

    @Option(names = "--batch", defaultValue = "8", description = "Records a step (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(names = "--max-length", defaultValue = "512", description = "Tokens at most (default: ${DEFAULT-VALUE}).")
    private int maxLength;

    @Option(
            names = "--fused",
            negatable = true,
            defaultValue = "true",
            fallbackValue = "true",
            description = "Layers that are known by formula, without autograd.")
    private boolean fused;

    @Option(names = "--padding", description = "A row a record, padded to the longest of its batch.")
    private boolean padding;

    @Option(
            names = "--share-prompts",
            negatable = true,
            defaultValue = "true",
            fallbackValue = "true",
            description = "Compute once what records of a batch begin with alike.")
    private boolean sharing;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() {
        if (records < 1 || batch < 1 || maxLength < 2) {
            throw new UserErrorException("bench sft needs --records 1, --batch 1 and --max-length 2 at least");
        }
        List<Sample> samples = samples();
        ObjectNode result = train(samples);
        System.out.println(json ? Json.write(result) : Json.writePretty(result));
        return 0;
    }

    /** The first records of the file in its order, and a batch to warm up with before them. */
    private List<Sample> samples() {
        AlpacaTemplate template = new AlpacaTemplate();
        List<Sample> samples = new ArrayList<>();
        LoadedExamples examples = LoadedExamples.open(
                DatasetSpec.of(data.toString()).format("alpaca").build());
        try (Tokenizer tokens = Tokenizer.load(tokenizer)) {
            int wanted = Math.min(examples.size(), records + batch);
            for (int i = 0; i < wanted; i++) {
                if (!(examples.get(i) instanceof Instruction instruction)) {
                    throw new UserErrorException(data + ": record " + (i + 1) + " is no instruction in Alpaca's form");
                }
                int[] prompt = tokens.encode(template.prompt(instruction), false);
                int[] answer = tokens.encode(instruction.output(), false);
                int[] ids = Arrays.copyOf(prompt, prompt.length + answer.length + 1); // ends with token 0
                System.arraycopy(answer, 0, ids, prompt.length, answer.length);
                int[] labels = ids.clone();
                Arrays.fill(labels, 0, prompt.length, Sample.IGNORE_INDEX);
                int length = Math.min(maxLength, ids.length);
                samples.add(new Sample(Arrays.copyOf(ids, length), Arrays.copyOf(labels, length)));
            }
        }
        if (samples.size() <= batch) {
            throw new UserErrorException(data + " has " + samples.size()
                    + " records, bench sft needs more than --batch " + batch + ": the first batch is not counted");
        }
        return samples;
    }

    private ObjectNode train(List<Sample> samples) {
        Clock clock = new Clock();
        try (CausalLM model = CausalLM.initialize(shape.config(), null, Device.best(), 0)) {
            FineTuner tuner = FineTuner.of(model)
                    .strategy(Lora.builder()
                            .rank(8)
                            .alpha(16)
                            .targetModules("all-linear")
                            .build())
                    .dataset(dataset(samples))
                    .arguments(TrainingArguments.builder()
                            .epochs(1)
                            .batchSize(batch)
                            .learningRate(1e-4)
                            .shuffle(false)
                            .fusedLayers(fused)
                            .build())
                    .sharedPrompts(sharing)
                    .listener(clock)
                    .messages(message -> {});
            if (padding) {
                tuner.paddingFree(false);
            }
            try (TrainingResult trained = tuner.train()) {
                return result(samples, clock);
            }
        }
    }

    private ObjectNode result(List<Sample> samples, Clock clock) {
        List<Sample> counted = samples.subList(batch, samples.size());
        int real = counted.stream().mapToInt(Sample::length).sum();
        ObjectNode result = Json.object();
        result.put("records", counted.size());
        result.put("seconds", rounded(clock.seconds(), 2));
        result.put("samples_per_s", rounded(counted.size() / clock.seconds(), 3));
        result.put("lora", "finetune4j");
        result.put("real_tokens", real);
        result.put("padded_tokens", padding ? padded(counted) : real);
        result.put("computed_tokens", padding ? padded(counted) : clock.tokens());
        result.put(
                "labelled_tokens",
                counted.stream().mapToInt(Sample::labelledTokens).sum());
        result.put("peak_mb", ProcessMemory.peakMegabytes());
        result.put("tokens_per_s", rounded(real / clock.seconds(), 1));
        return result;
    }

    private int padded(List<Sample> counted) {
        int tokens = 0;
        for (int start = 0; start < counted.size(); start += batch) {
            List<Sample> together = counted.subList(start, Math.min(start + batch, counted.size()));
            tokens += together.size()
                    * together.stream().mapToInt(Sample::length).max().orElse(0);
        }
        return tokens;
    }

    private static BigDecimal rounded(double value, int digits) {
        return BigDecimal.valueOf(value).setScale(digits, RoundingMode.HALF_UP);
    }

    private static TrainingDataset dataset(List<Sample> samples) {
        return new TrainingDataset() {
            @Override
            public int size() {
                return samples.size();
            }

            @Override
            public Sample get(int index) {
                return samples.get(index);
            }
        };
    }

    /** Starts when the first step has ended, and stops with the last one. */
    private static final class Clock implements TrainingListener {

        private long start;
        private long end;
        private long tokens;

        @Override
        public void onStep(StepMetrics metrics) {
            end = System.nanoTime();
            if (metrics.step() == 1) {
                start = end;
            } else {
                tokens += metrics.tokens();
            }
        }

        /** Those that went through the model. */
        long tokens() {
            return tokens;
        }

        double seconds() {
            return (end - start) / 1e9;
        }
    }
}
