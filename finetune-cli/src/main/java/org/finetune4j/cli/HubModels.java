package org.finetune4j.cli;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.finetune4j.InputFiles;
import org.finetune4j.model.hub.HubClient;
import org.finetune4j.model.hub.HubProgress;

/** What commands do with a name that may be a directory or a model on the hub. */
final class HubModels {

    private static final long MEGABYTE = 1_000_000;

    private HubModels() {}

    /** The directory that a name means; a download tells on standard error how far it is. */
    static Path directory(String nameOrPath) {
        Path local = InputFiles.path("model", nameOrPath);
        return Files.exists(local) ? local : HubClient.fromEnvironment().resolve(nameOrPath, progress(System.err));
    }

    /** One line a tenth of a large file, none for small ones. */
    static HubProgress progress(PrintStream err) {
        return new HubProgress() {
            private String file = "";
            private long told;

            @Override
            public synchronized void transferred(String path, long done, long total) {
                if (!path.equals(file)) {
                    file = path;
                    told = 0;
                }
                long tenth = total < MEGABYTE ? 0 : done * 10 / total;
                if (tenth > told) {
                    told = tenth;
                    err.println(String.format(Locale.ROOT, "%s  %d of %d MB", path, done / MEGABYTE, total / MEGABYTE));
                }
            }
        };
    }
}
