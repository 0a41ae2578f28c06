package org.finetune4j.cli.quickstart;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Makes the embedded model again. */
@Command(
        name = "quickstart-model",
        mixinStandardHelpOptions = true,
        description = "Pre-trains the quick start's model from nothing, as the one in this repository was made.")
public final class PretrainCommand implements Callable<Integer> {

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "Where to write the model.")
    private Path output;

    @Override
    public Integer call() {
        QuickstartRecipe.pretrain(output);
        System.out.println(output);
        return 0;
    }
}
