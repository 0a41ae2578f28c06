package org.finetune4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.hub.HubClient;
import org.finetune4j.model.hub.HubRepository;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Fetches a model or an adapter. */
@Command(
        name = "download",
        mixinStandardHelpOptions = true,
        description = "Downloads a model or an adapter into the hub cache and prints its directory.")
final class DownloadCommand implements Callable<Integer> {

    @Parameters(paramLabel = "ORG/NAME", description = "The name on the hub, optionally with @REVISION.")
    private String name;

    @Option(names = "--revision", paramLabel = "R", description = "Branch, tag or commit (default: main).")
    private @Nullable String revision;

    @Option(names = "--to", paramLabel = "DIR", description = "Copy the files to this directory, too.")
    private @Nullable Path to;

    @Override
    public Integer call() {
        HubRepository named = HubRepository.parse(name);
        HubRepository repository = revision == null ? named : named.at(revision);
        Path snapshot = HubClient.fromEnvironment().download(repository, HubModels.progress(System.err));
        if (to != null) {
            copy(snapshot, to);
        }
        System.out.println(to == null ? snapshot : to);
        return 0;
    }

    /** Copies what the links point at; files with other names in the target stay. */
    private static void copy(Path snapshot, Path target) {
        try (Stream<Path> walk = Files.walk(snapshot)) {
            List<Path> files = walk.filter(Files::isRegularFile).toList();
            for (Path file : files) {
                AtomicFiles.copy(file, target.resolve(snapshot.relativize(file).toString()));
            }
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + snapshot + ": " + Reasons.of(e), e);
        }
    }
}
