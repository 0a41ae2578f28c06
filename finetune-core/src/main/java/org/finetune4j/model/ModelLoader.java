package org.finetune4j.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.ShapeValue;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Construction;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.NativeAllocator;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** Builds models: from a directory, or with random weights. What was built is freed when the rest is refused. */
final class ModelLoader {

    private ModelLoader() {}

    /** See {@link CausalLM#load(Path, LoadOptions)}. */
    static CausalLM load(Path directory, LoadOptions options) {
        ModelConfig found = ModelConfig.load(directory);
        ClassifierHead head = options.head();
        ModelConfig config = head == null ? found : head.appliedTo(found);
        Architecture architecture = Architecture.of(config);
        Device device = options.device();
        try (CheckpointReader reader = CheckpointReader.open(directory);
                Construction construction = Construction.begin();
                TensorScope scope = TensorScope.open()) {
            CompressedCheckpointFormat format = CompressedCheckpointFormat.of(config);
            // Weights that are compressed already stay as they are, whatever the options say.
            WeightCompression compression = format == null ? options.compression() : null;
            if (format != null || compression != null) {
                // Whoever compresses weights wants little memory before all else.
                NativeAllocator.returnLargeBlocks();
            }
            CheckpointWeights source = new CheckpointWeights(
                    reader,
                    architecture,
                    device,
                    options.dtype(),
                    head != null,
                    format,
                    compression,
                    options.partition());
            AddedTokens added = options.addedTokens();
            Tokenizer tokenizer = added.isEmpty() && !Files.exists(directory.resolve("tokenizer.json"))
                    ? null
                    : Tokenizer.load(directory, added);
            if (tokenizer != null) {
                Construction.own(tokenizer::close);
            }
            if (head != null && config.padTokenId() == null && tokenizer != null) {
                config = withPadding(config, tokenizer);
            }
            ModelPartition partition = options.partition();
            if (partition != null && !added.isEmpty()) {
                throw new UserErrorException(
                        "a vocabulary that several processes share cannot grow: add the tokens to the"
                                + " model's directory first (finetune add-tokens)");
            }
            ModelConfig dense = config.withQuantization(Map.of());
            DecoderModel network =
                    architecture.build(partition == null ? dense : partition.local(dense), Weights.of(source));
            if (partition != null) {
                partition.connect(network);
            }
            source.checkAllUsed(network.isTied(), network.nameOf(network.outputLayer()));
            roundProducts(network, options);
            ModelConfig stored = options.dtype() == null ? config : config.withStorageDType(options.dtype());
            if (tokenizer != null && !added.isEmpty()) {
                VocabularyGrowth.grow(network, tokenizer.rows());
                stored = stored.withVocabSize((int) network.inputEmbedding().count());
            }
            return construction.complete(new CausalLM(
                    stored,
                    network,
                    device,
                    computeDType(options, stored),
                    directory,
                    tokenizer,
                    source.mappedFiles(),
                    source.newModules()));
        }
    }

    /** A new head reads the last token that is no padding, which therefore has to have a name: TRL takes the end's, too. */
    private static ModelConfig withPadding(ModelConfig config, Tokenizer tokenizer) {
        OptionalInt padding = tokenizer.padTokenId().isPresent() ? tokenizer.padTokenId() : tokenizer.eosTokenId();
        return padding.isPresent() ? config.withPadTokenId(padding.getAsInt()) : config;
    }

    /** See {@link CausalLM#initialize(ModelConfig, Tokenizer, LoadOptions, long)}. */
    static CausalLM initialize(ModelConfig config, @Nullable Tokenizer tokenizer, LoadOptions options, long seed) {
        Device device = options.device();
        DType dtype = options.dtype();
        try (Construction construction = Construction.begin();
                TensorScope scope = TensorScope.open();
                RandomGenerator.Use use = RandomGenerator.of(seed).use()) {
            DecoderModel network = Architecture.of(config).build(config, Weights.of(new InitialWeights(device)));
            if (dtype != null) {
                network.allParameters()
                        .forEach(
                                parameter -> parameter.replace(parameter.value().to(dtype)));
            }
            roundProducts(network, options);
            ModelConfig stored = dtype == null ? config : config.withStorageDType(dtype);
            DType compute = computeDType(options, stored);
            return construction.complete(
                    new CausalLM(stored, network, device, compute, null, tokenizer, Set.of(), Set.of()));
        }
    }

    /** See {@link CausalLM#shapes(ModelConfig, DType)}. */
    static CausalLM shapes(ModelConfig config, DType dtype) {
        try (Construction construction = Construction.begin();
                TensorScope scope = TensorScope.open()) {
            DecoderModel network = Architecture.of(config).build(config, Weights.of(new ShapesOnly(dtype)));
            network.allParameters().forEach(parameter -> parameter.replace(new ShapeValue(dtype, parameter.shape())));
            return construction.complete(new CausalLM(
                    config.withStorageDType(dtype), network, Device.CPU, dtype, null, null, Set.of(), Set.of()));
        }
    }

    private static void roundProducts(DecoderModel network, LoadOptions options) {
        for (Module module : network.namedModules().values()) {
            if (module instanceof Linear linear) {
                linear.multiplyIn(options.productDType());
            }
        }
    }

    private static DType computeDType(LoadOptions options, ModelConfig stored) {
        DType chosen = options.computeDType();
        return chosen == null ? options.device().computeDType(stored.storageDType()) : chosen;
    }
}
