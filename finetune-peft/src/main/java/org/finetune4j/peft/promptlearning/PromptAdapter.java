package org.finetune4j.peft.promptlearning;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Prompt;
import org.finetune4j.peft.AdapterFiles;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.SavedModules;
import org.finetune4j.peft.TrainedCopy;
import org.finetune4j.strategy.ReparameterizedAdapter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Virtual tokens on a model. PEFT's file holds the virtual tokens alone; a training checkpoint has a second file beside it
 * with the parameters of the encoder that makes them, which PEFT throws away.
 */
public final class PromptAdapter extends PeftAdapter implements ReparameterizedAdapter {

    /** The virtual tokens in PEFT's file, mostly the only tensor there. */
    public static final String PRODUCT = "prompt_embeddings";

    /** What PEFT puts before the names of an encoder's parameters in memory. */
    public static final String KEY_PREFIX = "prompt_encoder.default.";

    /** The encoder's parameters, in checkpoints only. */
    public static final String ENCODER_FILE = "prompt_encoder.safetensors";

    /** What comes before the names of a classifier's head, which PEFT trains as a whole beside virtual tokens. */
    private static final String HEAD_PREFIX = "base_model.";

    private static final String HEAD_SETTING = "modules_to_save";

    private final PromptPart part;
    private final List<TrainedCopy> head;
    private final Map<String, @Nullable Object> configuration;
    private final boolean stored;
    private final boolean trainable;

    private PromptAdapter(
            CausalLM model,
            PromptPart part,
            List<TrainedCopy> head,
            Map<String, @Nullable Object> configuration,
            boolean stored,
            boolean trainable) {
        super(model, Stream.concat(Stream.of(part), head.stream()).toList());
        this.part = part;
        this.head = head;
        this.configuration = new LinkedHashMap<>(configuration);
        this.configuration.putAll(SavedModules.headSetting(model));
        this.stored = stored;
        this.trainable = trainable;
    }

    /**
     * Attaches virtual tokens; a classifier's head trains with them.
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
        PromptPart part = new PromptPart(model, newEncoder, layout);
        List<TrainedCopy> head = SavedModules.ofHead(model, HEAD_PREFIX, trainable);
        return enabled(new PromptAdapter(model, part, head, configuration, stored, trainable));
    }

    @Override
    protected Map<String, @Nullable Object> configuration() {
        return configuration;
    }

    @Override
    protected void write(Path directory) {
        writeForOthers(directory);
        if (part.encoder().stored().isEmpty()) {
            AdapterWeights.writeFile(directory.resolve(ENCODER_FILE), parametersByKey());
        }
    }

    @Override
    protected void writeForOthers(Path directory) {
        Map<String, @Nullable Object> settings = complete(configuration());
        try (TensorScope scope = TensorScope.open()) {
            SafetensorsWriter.write(
                    directory.resolve(AdapterWeights.NAME), entries(), SafetensorsWriter.PYTORCH_METADATA);
        }
        writeConfiguration(directory, settings);
    }

    private List<Entry> entries() {
        PromptEncoder encoder = part.encoder();
        Map<String, Entry> byName = new TreeMap<>();
        headByKey().forEach((key, parameter) -> byName.put(key, Entry.of(key, parameter)));
        if (encoder.stored().isEmpty()) {
            byName.put(PRODUCT, Entry.of(PRODUCT, part.product()));
        } else {
            encoder.parameters()
                    .forEach((name, parameter) -> byName.put(stored(name), Entry.of(stored(name), parameter)));
        }
        return List.copyOf(byName.values());
    }

    private Map<String, Parameter> headByKey() {
        Map<String, Parameter> byKey = new LinkedHashMap<>();
        head.forEach(copy -> byKey.putAll(copy.parametersByKey()));
        return byKey;
    }

    /**
     * Gives the head its values.
     *
     * @param origin the file, for messages
     * @param values of a file, or of an encoder and a head
     * @param required whether there must be values for the head
     * @return those that are not the head's
     */
    private Map<String, Tensor> withoutHead(String origin, Map<String, Tensor> values, boolean required) {
        Map<String, Tensor> others = new LinkedHashMap<>(values);
        headByKey().forEach((key, parameter) -> {
            Tensor value = others.remove(key);
            if (value == null) {
                if (required) {
                    throw new UserErrorException(
                            origin + ": there is no tensor '" + key + "', which the adapter's configuration names");
                }
                return;
            }
            if (!Arrays.equals(parameter.wholeShape(), value.shape())) {
                throw new UserErrorException(origin + ": tensor '" + key + "' has the shape "
                        + Arrays.toString(value.shape()) + ", the head of this model has "
                        + Arrays.toString(parameter.wholeShape()));
            }
            try (Autograd.Mode mode = Autograd.disabled()) {
                parameter.set(parameter.ownPart(value));
            }
        });
        return others;
    }

    private static Tensor valueOf(Map<String, Tensor> values, String name) {
        return Objects.requireNonNull(values.get(name), name);
    }

    private String stored(String parameter) {
        return Objects.requireNonNull(part.encoder().stored().get(parameter), parameter);
    }

    @Override
    protected void readWeights(AdapterFiles files, String madeFor) {
        Path encoder = files.directory().resolve(ENCODER_FILE);
        try (TensorScope scope = TensorScope.open()) {
            if (Files.exists(encoder)) {
                try (SafetensorsFile file = SafetensorsFile.open(encoder)) {
                    part.useParameters(encoder.toString(), withoutHead(encoder.toString(), tensors(file), true));
                }
                return;
            }
            boolean hasHead = files.settings().has(HEAD_SETTING);
            Path path = files.weightsPath();
            useProduct(path, withoutHead(path.toString(), tensors(files.requiredWeights()), hasHead), madeFor);
        }
    }

    private static Map<String, Tensor> tensors(SafetensorsFile file) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        file.names().forEach(name -> tensors.put(name, file.tensor(name)));
        return tensors;
    }

    private void useProduct(Path path, Map<String, Tensor> file, String madeFor) {
        Map<String, long[]> wanted = new TreeMap<>();
        entries().forEach(entry -> wanted.put(entry.name(), entry.shape()));
        wanted.keySet().removeAll(headByKey().keySet());
        if (!file.keySet().equals(wanted.keySet())) {
            throw new UserErrorException(path + ": expected the tensor"
                    + (wanted.size() == 1 ? " '" + PRODUCT + "' alone" : "s " + wanted.keySet()) + ", there are "
                    + file.keySet());
        }
        wanted.forEach((name, shape) -> {
            long[] actual = valueOf(file, name).shape();
            if (!Arrays.equals(actual, shape)) {
                throw new UserErrorException(path + ": tensor '" + name + "' has the shape "
                        + Arrays.toString(actual) + ", this base model and configuration need "
                        + Arrays.toString(shape) + "; the adapter was made for " + madeFor);
            }
        });
        Map<String, String> parameters = part.encoder().stored();
        if (!parameters.isEmpty()) {
            Map<String, Tensor> values = new LinkedHashMap<>();
            parameters.forEach((parameter, name) -> values.put(KEY_PREFIX + parameter, valueOf(file, name)));
            part.useParameters(path.toString(), values);
        } else if (stored) {
            part.useTable(valueOf(file, PRODUCT), trainable);
        } else {
            throw new UserErrorException(path.getParent() + ": training cannot go on from an exported adapter: "
                    + ENCODER_FILE + ", which a training checkpoint has, is missing");
        }
    }

    @Override
    public void useParameters(Map<String, Tensor> values) {
        part.useParameters("prompt encoder", withoutHead("prompt encoder", values, false));
    }
}
