package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.finetune4j.OutputPath;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AddedTokens;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelWriter;
import org.finetune4j.tensor.Device;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Writes a model with more tokens, for instance as the base of adapters that need a chat format of their own. */
@Command(
        name = "add-tokens",
        mixinStandardHelpOptions = true,
        description = "Adds tokens to a model's tokenizer, embedding and output layer, and writes the larger model.")
final class AddTokensCommand implements Callable<Integer> {

    @Option(
            names = "--model",
            required = true,
            paramLabel = "MODEL",
            description = "Directory, or ORG/NAME on the hub.")
    private String model;

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "Where to write the larger model.")
    private Path output;

    @Option(names = "--token", paramLabel = "TEXT", description = "A token to add; may be given several times.")
    private List<String> tokens = List.of();

    @Option(
            names = "--special-token",
            paramLabel = "TEXT",
            description = "A token that decoded text leaves out; may be given several times.")
    private List<String> specialTokens = List.of();

    @Override
    public Integer call() {
        AddedTokens added = new AddedTokens(tokens, specialTokens);
        if (added.isEmpty()) {
            throw new UserErrorException("there is nothing to add: name tokens with --token or --special-token");
        }
        Path directory = HubModels.directory(model);
        OutputPath.requireOther(output, List.of(directory));
        LoadOptions options = new LoadOptions(Device.CPU, null).withAddedTokens(added);
        try (CausalLM larger = CausalLM.load(directory, options)) {
            ModelWriter.of(larger).exact().write(output);
            System.out.println(output + ": " + larger.config().node("vocab_size") + " rows");
        }
        return 0;
    }
}
