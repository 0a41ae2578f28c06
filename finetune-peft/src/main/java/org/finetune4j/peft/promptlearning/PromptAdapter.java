package org.finetune4j.peft.promptlearning;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.nn.Prompt;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.strategy.ReparameterizedAdapter;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Virtual tokens on a model. PEFT's file holds the virtual tokens alone; a training checkpoint has a second file beside it
 * with the parameters of the encoder that makes them, which PEFT throws away.
 */
public final class PromptAdapter extends PeftAdapter implements ReparameterizedAdapter {

    /** The only tensor of PEFT's file. */
    public static final String PRODUCT = "prompt_embeddings";

    /** What PEFT puts before the names of an encoder's parameters in memory. */
    public static final String KEY_PREFIX = "prompt_encoder.default.";

    /** The encoder's parameters, in checkpoints only. */
    public static final String ENCODER_FILE = "prompt_encoder.safetensors";

    private final PromptPart part;
    private final Map<String, @Nullable Object> configuration;
    private final boolean stored;
    private final boolean trainable;

    private PromptAdapter(
            CausalLM model,
            PromptPart part,
            Map<String, @Nullable Object> configuration,
            boolean stored,
            boolean trainable) {
        super(model, List.of(part));
        this.part = part;
        this.configuration = new LinkedHashMap<>(configuration);
        this.stored = stored;
        this.trainable = trainable;
    }

    /**
     * Attaches virtual tokens.
     *
     * @param model gets the virtual tokens
     * @param newEncoder makes the encoder that the settings ask for, with values to start from
     * @param layout from what an encoder makes, [virtualTokens, width], to what the model takes
     * @param configuration PEFT's
     * @param stored whether the adapter is one that lies in a directory, whose encoder may be gone
     * @param trainable whether the parameters train
     * @return the adapter, enabled
     */
    public static PromptAdapter attach(
            CausalLM model,
            Supplier<PromptEncoder> newEncoder,
            Function<Tensor, Prompt> layout,
            Map<String, @Nullable Object> configuration,
            boolean stored,
            boolean trainable) {
        return enabled(
                new PromptAdapter(model, new PromptPart(model, newEncoder, layout), configuration, stored, trainable));
    }

    @Override
    protected Map<String, @Nullable Object> configuration() {
        return configuration;
    }

    @Override
    public void save(Path directory) {
        export(directory);
        if (!part.encoder().isTable()) {
            AdapterWeights.writeFile(directory.resolve(ENCODER_FILE), parametersByKey());
        }
    }

    @Override
    public void export(Path directory) {
        Map<String, @Nullable Object> settings = complete(configuration());
        try (TensorScope scope = TensorScope.open()) {
            SafetensorsWriter.write(
                    directory.resolve(AdapterWeights.NAME),
                    List.of(Entry.of(PRODUCT, part.product())),
                    SafetensorsWriter.PYTORCH_METADATA);
        }
        writeConfiguration(directory, settings);
    }

    @Override
    protected void readWeights(Path directory, String madeFor) {
        Path encoder = directory.resolve(ENCODER_FILE);
        try (TensorScope scope = TensorScope.open()) {
            if (Files.exists(encoder)) {
                try (SafetensorsFile file = SafetensorsFile.open(encoder)) {
                    part.useParameters(encoder.toString(), tensors(file));
                }
                return;
            }
            Path path = directory.resolve(AdapterWeights.NAME);
            AdapterWeights.refusePickled(directory);
            try (SafetensorsFile file = SafetensorsFile.open(path)) {
                useProduct(path, file, madeFor);
            }
        }
    }

    private static Map<String, Tensor> tensors(SafetensorsFile file) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        file.names().forEach(name -> tensors.put(name, file.tensor(name)));
        return tensors;
    }

    private void useProduct(Path path, SafetensorsFile file, String madeFor) {
        if (!file.contains(PRODUCT) || file.names().size() != 1) {
            throw new UserErrorException(
                    path + ": expected the tensor '" + PRODUCT + "' alone, there are " + file.names());
        }
        long[] wanted = part.product().shape();
        Tensor product = file.tensor(PRODUCT);
        if (!Arrays.equals(product.shape(), wanted)) {
            throw new UserErrorException(path + ": tensor '" + PRODUCT + "' has the shape "
                    + Arrays.toString(product.shape()) + ", this base model and configuration need "
                    + Arrays.toString(wanted) + "; the adapter was made for " + madeFor);
        }
        if (part.encoder().isTable()) {
            part.useParameters(path.toString(), Map.of(KEY_PREFIX + PromptEncoder.TABLE, product));
        } else if (stored) {
            part.useTable(product, trainable);
        } else {
            throw new UserErrorException(path.getParent() + ": training cannot go on from an exported adapter: "
                    + ENCODER_FILE + ", which a training checkpoint has, is missing");
        }
    }

    @Override
    public void useParameters(Map<String, Tensor> values) {
        part.useParameters("prompt encoder", values);
    }
}
