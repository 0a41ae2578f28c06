package org.finetune4j.langchain4j;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;

/** Looks for adapters. */
final class AdapterFolders {

    private AdapterFolders() {}

    /** The directories of a folder that hold an adapter. */
    static List<Path> in(Path folder) {
        try (Stream<Path> all = Files.list(folder)) {
            return all.filter(directory -> Files.isRegularFile(directory.resolve(AdapterDirectory.CONFIG)))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UserErrorException("cannot read the folder of adapters " + folder + ": " + Reasons.of(e), e);
        }
    }
}
