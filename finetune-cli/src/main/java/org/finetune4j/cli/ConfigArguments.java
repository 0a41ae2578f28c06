package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.Settings;
import picocli.CommandLine.Parameters;

/** The arguments of commands that read a training configuration. */
final class ConfigArguments {

    @Parameters(index = "0", paramLabel = "CONFIG.yaml", description = "The training's configuration.")
    private Path file;

    @Parameters(index = "1..*", paramLabel = "key=value", description = "Values that go before those in the file.")
    private List<String> overrides = new ArrayList<>();

    /** The values, not looked at yet. */
    Settings settings() {
        return TrainingConfig.read(file, overrides);
    }

    /** The values with one that goes before all others. */
    Settings settings(String override) {
        List<String> all = new ArrayList<>(overrides);
        all.add(override);
        return TrainingConfig.read(file, all);
    }
}
