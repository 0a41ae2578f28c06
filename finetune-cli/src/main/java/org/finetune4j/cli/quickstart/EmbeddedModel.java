package org.finetune4j.cli.quickstart;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.FinetuneException;

/** The small model that ships with the command line. */
public final class EmbeddedModel {

    private static final List<String> FILES =
            List.of("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json");

    private EmbeddedModel() {}

    /**
     * Unpacks the model.
     *
     * @param directory to be made, which any command can use then
     * @return the directory
     */
    public static Path unpack(Path directory) {
        AtomicFiles.writeDirectory(directory, partial -> {
            for (String name : FILES) {
                try (InputStream in = EmbeddedModel.class.getResourceAsStream("model/" + name)) {
                    if (in == null) {
                        throw new FinetuneException("the embedded model lacks " + name + ": the build is broken");
                    }
                    Files.copy(in, partial.resolve(name));
                } catch (IOException e) {
                    throw new IOException("cannot unpack " + name + ": " + e.getMessage(), e);
                }
            }
        });
        return directory;
    }
}
