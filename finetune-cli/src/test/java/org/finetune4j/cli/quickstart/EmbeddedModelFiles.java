package org.finetune4j.cli.quickstart;

import java.nio.file.Path;

/** The embedded model for tests of other packages: small, real, and with a tokenizer. */
public final class EmbeddedModelFiles {

    private EmbeddedModelFiles() {}

    /** Unpacks the model into {@code directory} and gives the directory back. */
    public static Path unpack(Path directory) {
        return EmbeddedModel.unpack(directory);
    }
}
