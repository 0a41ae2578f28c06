package org.finetune4j.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.finetune4j.TestJson;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.tensor.TensorScope;

/** Checkpoints of encoders as they are published: trained to fill in words, so that nothing of a classifier is in them. */
public final class HeadlessCheckpoints {

    private HeadlessCheckpoints() {}

    /**
     * Writes the encoder of a classifier under the name of a model that fills in words.
     *
     * @param classifier directory of the classifier
     * @param directory where to
     * @return {@code directory}
     */
    public static Path write(Path classifier, Path directory) {
        return write(
                classifier,
                directory,
                Architecture.of(ModelConfig.load(classifier)).headPrefixes());
    }

    /**
     * The same without some of the weights only.
     *
     * @param classifier directory of the classifier
     * @param directory where to
     * @param left how the names begin of those that are left out
     * @return {@code directory}
     */
    public static Path write(Path classifier, Path directory, List<String> left) {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile file = SafetensorsFile.open(classifier.resolve("model.safetensors"))) {
            List<Entry> encoder = file.names().stream()
                    .filter(name -> left.stream().noneMatch(name::startsWith))
                    .map(name -> Entry.of(name, file.tensor(name)))
                    .toList();
            Files.createDirectories(directory);
            SafetensorsWriter.write(directory.resolve("model.safetensors"), encoder, Map.of());
            Files.writeString(
                    directory.resolve("config.json"),
                    TestJson.read(classifier.resolve("config.json"))
                            .toString()
                            .replace("ForSequenceClassification", "ForMaskedLM"));
            return directory;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
