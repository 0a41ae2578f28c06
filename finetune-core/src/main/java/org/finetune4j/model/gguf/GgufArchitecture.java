package org.finetune4j.model.gguf;

import java.util.List;
import org.finetune4j.Services;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.CheckpointReader;

/** How llama.cpp stores one family of models. Found as a service: a new one is a class and a line. */
public interface GgufArchitecture {

    /** {@return the {@code architectures} of config.json that it is for} */
    List<String> architectures();

    /**
     * llama.cpp's name for the architecture of a configuration.
     *
     * @param config of the model
     * @return the name
     */
    String name(ModelConfig config);

    /**
     * Writes down the sizes and settings of the model.
     *
     * @param config of the model
     * @param metadata what they go into
     * @throws UserErrorException when the model needs what llama.cpp does not know
     */
    void describe(ModelConfig config, GgufMetadata metadata);

    /**
     * {@return the tensors with llama.cpp's names, in llama.cpp's layout}
     *
     * @param config of the model
     * @param checkpoint the stored weights
     */
    List<GgufTensor> tensors(ModelConfig config, CheckpointReader checkpoint);

    /**
     * The one for this configuration.
     *
     * @param config of the model
     * @return the architecture
     * @throws UserErrorException when there is none
     */
    static GgufArchitecture of(ModelConfig config) {
        List<GgufArchitecture> all = Services.of(GgufArchitecture.class);
        String wanted = config.architecture();
        return all.stream()
                .filter(candidate -> candidate.architectures().contains(wanted))
                .findFirst()
                .orElseThrow(() -> {
                    List<String> names = all.stream()
                            .flatMap(candidate -> candidate.architectures().stream())
                            .sorted()
                            .toList();
                    return new UserErrorException(config.origin() + ": export of '" + wanted
                            + "' to GGUF is not implemented, only of " + String.join(", ", names)
                            + Suggestions.didYouMean(wanted, names));
                });
    }
}
