package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.finetune4j.AtomicFiles;
import org.finetune4j.FinetuneException;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.cli.quickstart.QuickstartTask;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Trains every method on the same data and compares them: parameters, memory, time, held-out score. */
@Command(
        name = "methods",
        mixinStandardHelpOptions = true,
        description = {
            "Trains every method on one task, each in a process of its own, and writes a table.",
            "Without CONFIG.yaml the task is the quick start's. Exit code 1 when a method is not better than the base."
        })
final class BenchMethodsCommand implements Callable<Integer> {

    /** The row that stands for the base without any training. */
    private static final String BASE = "base";

    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "CONFIG.yaml",
            description = "A training with held-out data; its method does not matter.")
    private @Nullable Path config;

    @Parameters(index = "1..*", paramLabel = "key=value", description = "Values that go before those in the file.")
    private List<String> overrides = new ArrayList<>();

    @Option(
            names = "--epochs",
            defaultValue = "3",
            paramLabel = "N",
            description = "Epochs of the quick start's task (default: ${DEFAULT-VALUE}).")
    private double epochs;

    @Option(
            names = "--rate-scale",
            defaultValue = "1",
            paramLabel = "S",
            description = "What the rows' learning rates, which suit a very small model, are multiplied by.")
    private double rateScale;

    @Option(names = "--rows", split = ";", paramLabel = "NAME", description = "Only these rows, separated by ';'.")
    private @Nullable List<String> names;

    @Option(names = "--title", defaultValue = "Methods", paramLabel = "TEXT", description = "Above the table.")
    private String title;

    @Option(names = "--output", paramLabel = "FILE", description = "Where the table is written (default: stdout).")
    private @Nullable Path output;

    @Option(names = "--measure", hidden = true, description = "Measure one row in this process and print JSON.")
    private @Nullable String measure;

    @Option(names = "--files", hidden = true, description = "Where the quick start's files lie.")
    private @Nullable Path files;

    @Override
    public Integer call() throws IOException, InterruptedException {
        Path directory = files == null ? AtomicFiles.temporaryDirectory("bench-methods") : files;
        try {
            if (measure != null) {
                BenchRow row = measure.equals(BASE) ? null : BenchRow.named(measure);
                Path run = Files.createTempDirectory(directory, "run");
                ObjectNode result = new MethodMeasurement(configuration(directory), rateScale).run(row, run);
                System.out.println(Json.write(result));
                return 0;
            }
            return compare(directory);
        } finally {
            if (files == null) {
                AtomicFiles.deleteTemporary(directory);
            }
        }
    }

    private Map<String, Object> configuration(Path directory) {
        if (config != null) {
            return new LinkedHashMap<>(TrainingConfig.read(config, overrides).asMap());
        }
        Map<String, Object> keys = QuickstartTask.write(directory).configuration();
        keys.put("num_train_epochs", epochs);
        return keys;
    }

    private int compare(Path directory) throws IOException, InterruptedException {
        List<BenchRow> rows = names == null
                ? BenchRow.all()
                : names.stream().map(BenchRow::named).toList();
        MethodTable table = new MethodTable(measured(BASE, directory));
        for (BenchRow row : rows) {
            try {
                ObjectNode measured = measured(row.name(), directory);
                table.add(row, measured);
                System.err.println(row.name() + "  " + measured);
            } catch (UserErrorException e) {
                table.refuse(row, String.valueOf(e.getMessage()));
                System.err.println(row.name() + "  " + e.getMessage());
            }
        }
        String markdown = table.markdown(title);
        if (output == null) {
            System.out.print(markdown);
        } else {
            AtomicFiles.writeString(output, markdown);
            System.out.println(output);
        }
        table.notBetter().forEach(name -> System.err.println(name + " is not better than the base"));
        return table.notBetter().isEmpty() ? 0 : Main.FAILURE;
    }

    /** Measures in a process of its own, so that memory and time are this row's alone. */
    private ObjectNode measured(String row, Path directory) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "bench",
                "methods",
                "--measure",
                row,
                "--files",
                directory.toString(),
                "--epochs",
                String.valueOf(epochs),
                "--rate-scale",
                String.valueOf(rateScale)));
        if (config != null) {
            command.add(config.toString());
            command.addAll(overrides);
        }
        Path errors = directory.resolve("errors.txt");
        Process process =
                new ProcessBuilder(command).redirectError(errors.toFile()).start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int exitCode = process.waitFor();
        if (exitCode == 0) {
            return Json.parseObject(out.lines().reduce("", (a, b) -> b), row);
        }
        String reason = Files.readAllLines(errors).stream()
                .filter(line -> line.startsWith("error: "))
                .findFirst()
                .orElse("error: exit code " + exitCode)
                .substring("error: ".length());
        if (exitCode == Main.USAGE && !row.equals(BASE)) {
            throw new UserErrorException(reason.replace("bench methods: ", ""));
        }
        throw exitCode == Main.USAGE ? new UserErrorException(reason) : new FinetuneException(row + ": " + reason);
    }
}
