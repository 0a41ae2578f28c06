package org.finetune4j.model.gguf;

import java.util.List;
import java.util.ServiceLoader;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.CheckpointReader;

/** How llama.cpp stores one family of models. Found as a service: a new one is a class and a line. */
public interface GgufArchitecture {

    /** The {@code architectures} of config.json that it is for. */
    List<String> architectures();

    /** llama.cpp's name for the architecture of this configuration. */
    String name(ModelConfig config);

    /**
     * Writes down the sizes and settings of the model.
     *
     * @throws UserErrorException when the model needs what llama.cpp does not know
     */
    void describe(ModelConfig config, GgufMetadata metadata);

    /** The tensors with llama.cpp's names, in llama.cpp's layout. */
    List<GgufTensor> tensors(ModelConfig config, CheckpointReader checkpoint);

    /**
     * The one for this configuration.
     *
     * @throws UserErrorException when there is none
     */
    static GgufArchitecture of(ModelConfig config) {
        List<GgufArchitecture> all = ServiceLoader.load(GgufArchitecture.class).stream()
                .map(ServiceLoader.Provider::get)
                .toList();
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
