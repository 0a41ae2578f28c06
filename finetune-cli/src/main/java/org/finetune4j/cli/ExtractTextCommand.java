package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.finetune4j.OutputPath;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.TextCheckpoint;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Makes a model that can be trained of one that reads images too. */
@Command(
        name = "extract-text",
        mixinStandardHelpOptions = true,
        description = "Writes the language model of a checkpoint that reads images or sound too as one of its own.")
final class ExtractTextCommand implements Callable<Integer> {

    @Option(
            names = "--model",
            required = true,
            paramLabel = "MODEL",
            description = "Directory, or ORG/NAME on the hub; its config.json has a text_config.")
    private String model;

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "Where to write the language model.")
    private Path output;

    @Override
    public Integer call() {
        Path directory = HubModels.directory(model);
        OutputPath.requireOther(output, List.of(directory));
        ModelConfig text = TextCheckpoint.write(directory, output);
        System.out.println(output + ": " + text.architecture());
        return 0;
    }
}
