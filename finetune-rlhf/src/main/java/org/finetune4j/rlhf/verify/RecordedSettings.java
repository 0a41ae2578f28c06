package org.finetune4j.rlhf.verify;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.TreeNode;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;

/** The settings of what was recorded, as Python writes JSON: a loss that came to NaN or Infinity stands there as such. */
final class RecordedSettings {

    private RecordedSettings() {}

    /** @throws UserErrorException when the file cannot be read, is not JSON, or no object */
    static ObjectNode read(Path file) {
        try (JsonParser parser = Json.factory()
                .createParser(InputFiles.text(file))
                .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS.mappedFeature())) {
            TreeNode settings = parser.readValueAsTree();
            if (settings instanceof ObjectNode object && parser.nextToken() == null) {
                return object;
            }
        } catch (IOException e) {
            return InputFiles.jsonObject(file); // which says where and why
        }
        throw new UserErrorException(file + ": expected a JSON object and nothing else");
    }
}
