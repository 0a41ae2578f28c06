package org.finetune4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.cli.advise.Advice;
import org.finetune4j.cli.advise.Advisor;
import org.finetune4j.cli.advise.Situation;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Recommends a method and writes a configuration for it. */
@Command(
        name = "advise",
        mixinStandardHelpOptions = true,
        description =
                "Recommends method, rank, learning rate, batch and mesh for a model, data and devices, with the reasons and the"
                        + " memory and time that the planner says.")
final class AdviseCommand implements Callable<Integer> {

    @Option(
            names = "--model",
            required = true,
            paramLabel = "DIR",
            description = "A model directory or its config.json; no weights are read.")
    private Path model;

    @Option(names = "--records", required = true, paramLabel = "N", description = "How many there are to learn from.")
    private long records;

    @Option(
            names = "--tokens",
            defaultValue = "512",
            paramLabel = "N",
            description = "Of a long record, prompt and answer; longer ones are cut (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(
            names = "--tasks",
            defaultValue = "1",
            paramLabel = "N",
            description = "That one base is to answer (default: ${DEFAULT-VALUE}).")
    private int tasks;

    @Option(names = "--low-latency", description = "Answers must come as fast as the base's.")
    private boolean lowLatency;

    @Option(names = "--high-accuracy", description = "The best score counts more than memory and time.")
    private boolean highAccuracy;

    @Mixin
    private ClusterOptions cluster;

    @Option(
            names = "--train-file",
            defaultValue = "train.jsonl",
            paramLabel = "FILE",
            description = "Named in the configuration (default: ${DEFAULT-VALUE}).")
    private String trainFile;

    @Option(
            names = "--output",
            paramLabel = "FILE",
            description = "Where the configuration goes; standard output otherwise.")
    private @Nullable Path output;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() {
        if (records < 1 || tokens < 1 || tasks < 1) {
            throw new UserErrorException((records < 1 ? "--records" : tokens < 1 ? "--tokens" : "--tasks")
                    + ": expected a whole number from 1");
        }
        Advice advice = Advisor.advise(new Situation(
                PlanCommand.config(model), records, tokens, tasks, cluster.cluster(), lowLatency, highAccuracy));
        Map<String, Object> configuration = new LinkedHashMap<>();
        configuration.put("model_name_or_path", String.valueOf(directory()));
        configuration.put("train_file", trainFile);
        configuration.put("output_dir", "out/" + advice.method());
        configuration.putAll(advice.settings());
        String text = text(advice, configuration);
        if (output != null) {
            AtomicFiles.writeString(output, text);
        }
        if (json) {
            Map<String, Object> values = new LinkedHashMap<>();
            values.put("method", advice.method());
            values.put("reasons", advice.reasons());
            values.put("peak_bytes", advice.peakBytes());
            values.put("seconds", advice.duration().toSeconds());
            values.put("mesh", advice.mesh());
            values.put("configuration", configuration);
            System.out.println(Json.write(values));
        } else {
            System.out.print(output == null ? text : output + System.lineSeparator());
        }
        return 0;
    }

    /** What train takes: the directory, where its config.json was given. */
    private Path directory() {
        Path parent = model.getParent();
        return Files.isDirectory(model) ? model : parent == null ? Path.of(".") : parent;
    }

    private String text(Advice advice, Map<String, Object> configuration) {
        StringBuilder text = new StringBuilder("# Advice: " + advice.method() + "\n");
        advice.reasons().forEach(reason -> text.append("# - ").append(reason).append('\n'));
        text.append(String.format(
                Locale.ROOT,
                "# about %.1f GiB on the device that needs most, %s in all, by formulas\n",
                advice.peakBytes() / (double) (1L << 30),
                words(advice.duration().toSeconds())));
        String file = output == null ? "THIS.yaml" : output.toString();
        text.append(
                advice.mesh().isEmpty()
                        ? "# ./finetune train " + file + "\n"
                        : "# ./finetune launch --nproc " + cluster.cluster().devices() + " --mesh " + advice.mesh()
                                + " train " + file + "\n");
        try {
            return text + ConvertConfigCommand.WRITER.writeValueAsString(configuration);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String words(long seconds) {
        return seconds < 120
                ? seconds + " seconds"
                : seconds < 7200 ? seconds / 60 + " minutes" : seconds / 3600 + " hours";
    }
}
