package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.finetune4j.model.hub.HubClient;
import org.finetune4j.model.hub.HubRepository;
import org.finetune4j.model.hub.HubUpload;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Uploads a folder to the hub. */
@Command(
        name = "push",
        mixinStandardHelpOptions = true,
        description = "Uploads a folder to the hub as one commit, with a model card if it has none; needs HF_TOKEN.")
final class PushCommand implements Callable<Integer> {

    @Parameters(index = "0", paramLabel = "DIR", description = "The model or adapter to upload.")
    private Path folder;

    @Parameters(index = "1", paramLabel = "ORG/NAME", description = "The name on the hub; made if there is none.")
    private String name;

    @Option(names = "--private", description = "Make a new repository visible to its owner only.")
    private boolean hidden;

    @Option(names = "--revision", paramLabel = "R", description = "Branch to commit to, made if there is none.")
    private @Nullable String revision;

    @Option(
            names = "--message",
            defaultValue = "Upload with Finetune4j",
            paramLabel = "TEXT",
            description = "What the commit says (default: ${DEFAULT-VALUE}).")
    private String message;

    @Override
    public Integer call() {
        HubRepository named = HubRepository.parse(name);
        HubRepository repository = revision == null ? named : named.at(revision);
        HubUpload upload = HubUpload.to(HubClient.fromEnvironment(), repository, HubModels.progress(System.err));
        System.out.println(upload.push(folder, hidden, message));
        return 0;
    }
}
