package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.BatchIterator;
import org.finetune4j.data.BatchSampler;
import org.finetune4j.data.Collator;
import org.finetune4j.data.DataLoader;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.examples.LoadedExamples;
import org.finetune4j.data.supervised.AlpacaTemplate;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.arguments.TrainingArguments;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Feeds many records into a training, and says whether it ever waits for them and what memory they take. */
@Command(
        name = "feed",
        mixinStandardHelpOptions = true,
        description =
                "Feeds records of Alpaca's size into a training: how long it waits for them, what memory they take.")
final class BenchFeedCommand implements Callable<Integer> {

    @Option(
            names = "--model",
            paramLabel = "DIR",
            description = "Model directory: LoRA trains on it. Without it, steps are simulated.")
    private @Nullable Path modelDirectory;

    @Option(names = "--tokenizer", paramLabel = "DIR", description = "Tokenizer directory, where steps are simulated.")
    private @Nullable Path tokenizerDirectory;

    @Option(
            names = "--tokens-per-second",
            defaultValue = "50000",
            paramLabel = "N",
            description =
                    "A simulated step sleeps as long as its tokens take at this speed (default: ${DEFAULT-VALUE}).")
    private double tokensPerSecond;

    @Option(names = "--records", defaultValue = "100000", description = "Default: ${DEFAULT-VALUE}.")
    private int records;

    @Option(names = "--file", paramLabel = "FILE", description = "Records to feed, instead of made ones.")
    private @Nullable Path given;

    @Option(names = "--batch", defaultValue = "8", description = "Records a step (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(names = "--max-length", defaultValue = "512", description = "Tokens at most (default: ${DEFAULT-VALUE}).")
    private int maxLength;

    @Option(names = "--workers", defaultValue = "1", description = "Threads that make batches (default: 1).")
    private int workers;

    @Option(names = "--steps", defaultValue = "0", description = "Stop after this many; 0 for one whole epoch.")
    private int steps;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (records < 1 || batch < 1 || maxLength < 2 || workers < 0 || steps < 0 || !(tokensPerSecond > 0)) {
            throw new UserErrorException("bench feed: every number must be positive");
        }
        if ((modelDirectory == null) == (tokenizerDirectory == null)) {
            throw new UserErrorException("bench feed needs one of --model and --tokenizer");
        }
        ObjectNode result = Json.object();
        if (given == null) {
            Path made = AtomicFiles.temporaryFile("finetune4j-feed", ".jsonl");
            try {
                FeedRecords.write(made, records);
                measure(made, result);
            } finally {
                AtomicFiles.deleteTemporary(made);
            }
        } else {
            measure(given, result);
        }
        System.out.println(json ? Json.write(result) : Json.writePretty(result));
        return 0;
    }

    private void measure(Path file, ObjectNode result) throws IOException {
        result.put("file_mb", Files.size(file) >> 20);
        result.put("batch", batch);
        result.put("workers", workers);
        FeedMeter meter = new FeedMeter();
        if (tokenizerDirectory != null) {
            result.put("step", "sleeps, " + Math.round(tokensPerSecond) + " tokens/s");
            try (Tokenizer tokenizer = Tokenizer.load(tokenizerDirectory)) {
                sleep(samples(file, tokenizer, maxLength, result), Collator.of(tokenizer), meter);
            }
        } else if (modelDirectory != null) {
            result.put("step", "LoRA, rank 8, on " + modelDirectory.getFileName());
            try (CausalLM model = CausalLM.load(modelDirectory)) {
                int length = Math.min(maxLength, model.network().maxPositions());
                train(model, samples(file, model.tokenizer(), length, result), meter);
            }
        }
        meter.report(result);
    }

    /** Opens the file as a training does, which looks at every record once. */
    private static TrainingDataset samples(Path file, Tokenizer tokenizer, int length, ObjectNode result) {
        long start = System.nanoTime();
        LoadedExamples examples =
                LoadedExamples.open(DatasetSpec.of(file.toString()).build());
        result.put("records", examples.size());
        result.put("open_s", Math.round((System.nanoTime() - start) / 1e7) / 100.0);
        return SupervisedSamples.of(
                examples,
                tokenizer,
                SupervisedOptions.builder()
                        .maxLength(length)
                        .promptTemplate(new AlpacaTemplate())
                        .build());
    }

    private void train(CausalLM model, TrainingDataset samples, FeedMeter meter) {
        FineTuner.of(model)
                .strategy(Lora.builder()
                        .rank(8)
                        .alpha(16)
                        .targetModules("all-linear")
                        .build())
                .dataset(meter.timed(samples))
                .arguments(TrainingArguments.builder()
                        .epochs(1)
                        .maxSteps(steps)
                        .batchSize(batch)
                        .learningRate(2e-4)
                        .dataloaderNumWorkers(workers)
                        .build())
                .messages(message -> {})
                .listener(meter)
                .train()
                .close();
    }

    /** An epoch whose steps leave the processor to others, as those of a GPU do. */
    private void sleep(TrainingDataset samples, Collator collator, FeedMeter meter) {
        BatchSampler sampler = BatchSampler.shuffled(samples.size(), batch, 42);
        DataLoader loader =
                new DataLoader(meter.timed(samples), sampler, collator, workers, DataLoader.DEFAULT_PREFETCH);
        int wanted = steps == 0 ? loader.batchesPerEpoch() : Math.min(steps, loader.batchesPerEpoch());
        meter.begin(wanted);
        try (BatchIterator batches = loader.epoch(0)) {
            for (int step = 0; step < wanted; step++) {
                long start = System.nanoTime();
                Batch next = batches.next();
                long waited = System.nanoTime() - start;
                long end = System.nanoTime() + (long) (1e9 * next.realTokens() / tokensPerSecond);
                while (System.nanoTime() < end) {
                    LockSupport.parkNanos(end - System.nanoTime());
                }
                meter.step(waited, next.realTokens());
            }
        }
    }
}
