package org.finetune4j.model.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;

/** Whether a snapshot can be used without asking the hub what else belongs to it. */
final class CompleteSnapshot {

    private CompleteSnapshot() {}

    /** Whether configuration and all weights are there, of a model or of an adapter. */
    static boolean test(Path snapshot) {
        return isComplete(snapshot, "config.json", "model.safetensors")
                || isComplete(snapshot, AdapterDirectory.CONFIG, AdapterDirectory.WEIGHTS);
    }

    private static boolean isComplete(Path snapshot, String config, String weights) {
        if (!Files.exists(snapshot.resolve(config))) {
            return false;
        }
        Path index = snapshot.resolve(weights + ".index.json");
        return Files.exists(snapshot.resolve(weights)) || (Files.exists(index) && hasAllParts(snapshot, index));
    }

    private static boolean hasAllParts(Path snapshot, Path index) {
        try {
            JsonNode map = InputFiles.jsonObject(index).path("weight_map");
            for (JsonNode part : map) {
                if (!Files.exists(snapshot.resolve(InputFiles.path(index + ": 'weight_map'", part.asText())))) {
                    return false;
                }
            }
            return !map.isEmpty();
        } catch (UserErrorException e) {
            return false;
        }
    }
}
