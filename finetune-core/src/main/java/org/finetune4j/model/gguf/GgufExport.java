package org.finetune4j.model.gguf;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.CheckpointReader;

/**
 * Writes a model directory as one GGUF file with weights, tokenizer and chat template, as llama.cpp's own converter does.
 * Tensors are read, changed and written one at a time: memory is needed for the largest one only.
 */
public final class GgufExport {

    private GgufExport() {}

    /**
     * Writes the file.
     *
     * @param model a directory with config.json, safetensors and tokenizer.json
     * @param type of the matrices; norms and biases are always float32, and rows that q8_0's blocks do not fill float16
     * @param output the file
     * @throws UserErrorException when the architecture, a setting, the tokenizer or a tensor has no place in the format, a
     *     file cannot be read, or {@code output} cannot be written; what was there before stays
     */
    public static void write(Path model, GgufType type, Path output) {
        requireNoOtherFile(output);
        ModelConfig config = ModelConfig.load(model);
        GgufArchitecture architecture = GgufArchitecture.of(config);
        if (config.has("quantization_config")) {
            throw new UserErrorException(config.origin() + ": export of quantized weights to GGUF is not implemented");
        }
        try (CheckpointReader checkpoint = CheckpointReader.open(model)) {
            List<GgufTensor> tensors = architecture.tensors(config, checkpoint);
            GgufMetadata metadata = new GgufMetadata()
                    .put("general.architecture", architecture.name(config))
                    .put("general.type", "model")
                    .put("general.name", GgufModelName.of(model))
                    .put("general.file_type", type.fileType())
                    .put("general.quantization_version", 2);
            architecture.describe(config, metadata);
            GgufTokenizer.describe(model, config, metadata);
            GgufWriter.write(output, metadata.values(), tensors, type);
        }
    }

    /**
     * Protects a file of another kind, such as the weights that are being exported.
     *
     * @param output the file
     * @throws UserErrorException when there is a file that is neither empty nor GGUF
     */
    public static void requireNoOtherFile(Path output) {
        if (!Files.isRegularFile(output)) {
            return;
        }
        try (InputStream in = Files.newInputStream(output)) {
            byte[] start = in.readNBytes(4);
            if (start.length > 0 && !Arrays.equals(start, "GGUF".getBytes(StandardCharsets.US_ASCII))) {
                throw new UserErrorException(
                        "cannot write " + output + ": it is there already, and no GGUF file; name another one");
            }
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + output + ": " + Reasons.of(e), e);
        }
    }
}
