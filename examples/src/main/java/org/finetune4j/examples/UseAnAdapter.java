package org.finetune4j.examples;

import java.nio.file.Path;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;

/**
 * Puts an adapter in PEFT's format onto its base model, lets the two answer, and writes them as one model.
 *
 * <p>Arguments: model directory, adapter directory, directory for the merged model, prompt.
 */
public final class UseAnAdapter {

    private UseAnAdapter() {}

    /**
     * Runs the example.
     *
     * @param args see the class
     */
    public static void main(String[] args) {
        GenerationOptions options = GenerationOptions.builder().maxNewTokens(64).build();
        try (CausalLM model = CausalLM.load(Path.of(args[0]));
                Adapter adapter = AdapterFormat.load(model, Path.of(args[1]), false)) {
            TextGenerator.of(model).generate(args[3], options, System.out::print);
            System.out.println();
            adapter.merge();
            model.save(Path.of(args[2]));
        }
    }
}
