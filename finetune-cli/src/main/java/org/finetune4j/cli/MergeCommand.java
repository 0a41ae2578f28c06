package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Folds an adapter into its base model. */
@Command(
        name = "merge",
        mixinStandardHelpOptions = true,
        description = "Folds an adapter into its base model and writes the model.")
final class MergeCommand implements Callable<Integer> {

    @Mixin
    private ModelOptions model;

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "Where to write the merged model.")
    private Path output;

    @Override
    public Integer call() {
        try (CausalLM loaded = model.load();
                Adapter adapter = model.attachAdapter(loaded, false)) {
            if (adapter == null) {
                throw new UserErrorException("there is nothing to merge: name an adapter with --adapter");
            }
            adapter.merge();
            loaded.save(output);
            System.out.println(output);
        }
        return 0;
    }
}
