package org.finetune4j.cli;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Continues a text. */
@Command(
        name = "generate",
        mixinStandardHelpOptions = true,
        description = "Continues a text; prints the continuation only, as it is made.")
final class GenerateCommand implements Callable<Integer> {

    @Mixin
    private ModelOptions model;

    @Option(names = "--prompt", required = true, paramLabel = "TEXT", description = "The text to continue.")
    private String prompt;

    @Option(
            names = "--max-new-tokens",
            defaultValue = "128",
            paramLabel = "N",
            description = "Longest continuation (default: ${DEFAULT-VALUE}).")
    private int maxNewTokens;

    @Option(
            names = "--temperature",
            defaultValue = "0",
            paramLabel = "T",
            description = "0 is greedy (default: ${DEFAULT-VALUE}).")
    private double temperature;

    @Option(names = "--top-k", defaultValue = "0", paramLabel = "K", description = "Draw from the K likeliest; 0: all.")
    private int topK;

    @Option(
            names = "--top-p",
            defaultValue = "1",
            paramLabel = "P",
            description = "Draw from the likeliest that together reach P.")
    private double topP;

    @Option(names = "--seed", defaultValue = "42", paramLabel = "N", description = "Decides what is drawn.")
    private long seed;

    @Override
    public Integer call() {
        GenerationOptions options = options();
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try (CausalLM loaded = model.load();
                Adapter adapter = model.attachAdapter(loaded, false)) {
            TextGenerator.of(loaded).generate(prompt, options, out::print);
            out.println();
        }
        return 0;
    }

    private GenerationOptions options() {
        try {
            return GenerationOptions.builder()
                    .maxNewTokens(maxNewTokens)
                    .temperature(temperature)
                    .topK(topK)
                    .topP(topP)
                    .seed(seed)
                    .build();
        } catch (IllegalArgumentException e) {
            throw new UserErrorException(String.valueOf(e.getMessage()), e);
        }
    }
}
