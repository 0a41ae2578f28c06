package org.finetune4j.peft.adapter;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.peft.AdapterFiles;
import org.finetune4j.peft.AdapterReader;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;
import org.jspecify.annotations.Nullable;

/** Makes bottleneck adapters from settings, and reads AdapterHub's directories. */
public final class BottleneckMethod implements FineTuningMethod, AdapterFormat {

    static final String NAME = "adapter";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public FineTuningStrategy create(Settings settings) {
        return BottleneckAdapters.of(BottleneckConfigJson.fromUser(settings));
    }

    @Override
    public boolean accepts(Path directory) {
        return Files.isRegularFile(directory.resolve(AdapterConfigFile.NAME))
                && AdapterConfigFile.read(directory)
                        .value(BottleneckConfigJson.CONFIG)
                        .filter(Map.class::isInstance)
                        .isPresent();
    }

    @Override
    public FineTuningStrategy method(Path directory) {
        try (AdapterFiles files = AdapterFiles.open(directory, BottleneckAdapter.WEIGHTS)) {
            return stored(files.settings());
        }
    }

    private static BottleneckAdapters stored(Settings settings) {
        Map<String, @Nullable Object> inner = new LinkedHashMap<>();
        if (settings.value(BottleneckConfigJson.CONFIG).orElse(Map.of()) instanceof Map<?, ?> object) {
            object.forEach((key, value) -> inner.put(String.valueOf(key), value));
        }
        String place = settings.origin() + ": " + BottleneckConfigJson.CONFIG;
        BottleneckConfig config = BottleneckConfigJson.fromFile(new Settings(place, inner));
        return new BottleneckAdapters(config, settings.text("name").orElse(AdapterSet.DEFAULT));
    }

    @Override
    public Adapter attach(CausalLM model, Path directory, boolean trainable) {
        try (AdapterFiles files = AdapterFiles.open(directory, BottleneckAdapter.WEIGHTS)) {
            return attach(model, files, trainable);
        }
    }

    private static Adapter attach(CausalLM model, AdapterFiles files, boolean trainable) {
        Path directory = files.directory();
        Settings settings = files.settings();
        BottleneckAdapters method = stored(settings);
        long hidden = BottleneckAdapter.hiddenSize(model);
        if (settings.integer("hidden_size", (int) hidden) != hidden) {
            throw new UserErrorException(directory + ": the adapter was made for "
                    + settings.text("model_name").orElse("another base model") + " and does not fit: 'hidden_size' is "
                    + settings.integer("hidden_size", 0) + ", this model has " + hidden);
        }
        return AdapterReader.read(model, files, () -> method.attach(model, trainable));
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
