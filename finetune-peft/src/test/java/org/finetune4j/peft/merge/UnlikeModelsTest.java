package org.finetune4j.peft.merge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.ModelWriter;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.peft.delta.Delta;
import org.finetune4j.peft.delta.DeltaForm;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Weights are added only where they mean the same, and only numbers are written. */
class UnlikeModelsTest {

    private static final String NORM = "model.norm.weight";
    private static final String CONFIG = """
            {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": %d, "hidden_size": 16,
             "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
             "rms_norm_eps": 1e-5, "max_position_embeddings": 64, "rope_theta": 10000.0, "hidden_act": "silu"}
            """;

    @TempDir
    Path directory;

    private Path base;
    private Path output;
    private int vocabulary;

    @BeforeEach
    void saveABase() throws IOException {
        output = directory.resolve("output");
        Path tokens = Files.createDirectories(directory.resolve("tokens"));
        TestTokenizers.copyTo(tokens, "tiny-gpt2-bpe");
        try (Tokenizer tokenizer = Tokenizer.load(tokens)) {
            vocabulary = tokenizer.rows();
        }
        base = model("base", CONFIG);
    }

    private Path model(String name, String config) throws IOException {
        Path saved = directory.resolve(name);
        try (CausalLM model = CausalLM.initialize(
                ModelConfig.parse(config.formatted(vocabulary), name), null, Device.CPU, name.hashCode())) {
            model.save(saved);
        }
        TestTokenizers.copyTo(saved, "tiny-gpt2-bpe");
        return saved;
    }

    private void assertRefused(Path other, String key) {
        MergeSettings settings = MergeSettings.of(new double[] {0.5, 0.5});
        for (String message : List.of(
                refusal(() -> CheckpointMerge.write(List.of(base, other), null, MergeMethod.LINEAR, settings, output)),
                refusal(() -> CheckpointMerge.write(
                        List.of(base, base), other, MergeMethod.TASK_ARITHMETIC, settings, output)),
                refusal(() -> Delta.diff(base, other, new DeltaForm.Dense(), output.resolve("delta"))))) {
            assertTrue(message.contains(key) && message.contains(other.toString()), message);
        }
        assertFalse(Files.exists(output.resolve("model.safetensors")) || Files.exists(output.resolve("delta")));
    }

    private static String refusal(Runnable action) {
        return assertThrows(UserErrorException.class, action::run).getMessage();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "\"rope_theta\": 10000.0; \"rope_theta\": 20000.0; 'rope_theta'",
                "\"num_attention_heads\": 4, \"num_key_value_heads\": 4; \"num_attention_heads\": 2,"
                        + " \"num_key_value_heads\": 2; 'num_attention_heads'",
                "1e-5; 1e-6; 'rms_norm_eps'",
                "silu; gelu; 'hidden_act'",
                "Llama; Mistral; 'architectures'"
            })
    void modelsThatCalculateDifferentlyAreRefusedByTheKey(String before, String after, String key) throws IOException {
        assertRefused(model("other", CONFIG.replace(before, after)), key);
    }

    @Test
    void modelsWhoseIdsMeanOtherTokensAreRefused() throws IOException {
        Path other = model("other", CONFIG);
        exchangeTwoTokens(other);
        assertRefused(other, "id 40");
    }

    private void exchangeTwoTokens(Path model) throws IOException {
        Path file = model.resolve("tokenizer.json");
        String json = Files.readString(file);
        Files.writeString(
                file,
                json.replaceFirst(":\\s*40(\\D)", ": -1$1")
                        .replaceFirst(":\\s*41(\\D)", ": 40$1")
                        .replaceFirst(": -1(\\D)", ": 41$1"));
    }

    @Test
    void adaptersThatWereTrainedWithOtherTokensAreRefused() throws IOException {
        Path first = adapter("first", base);
        Path second = adapter("second", base);
        TestTokenizers.copyTo(first, "tiny-gpt2-bpe");
        TestTokenizers.copyTo(second, "tiny-gpt2-bpe");
        LoraCombination cat = new LoraCombination(CombinationType.CAT, 1, MajoritySign.TOTAL, 0, 0);
        AdapterMerge.write(List.of(first, second), new double[] {0.5, 0.5}, cat, output);
        assertEquals(-1, Files.mismatch(first.resolve("tokenizer.json"), output.resolve("tokenizer.json")));
        exchangeTwoTokens(second);
        assertTrue(refusal(() -> AdapterMerge.write(List.of(first, second), new double[] {0.5, 0.5}, cat, output))
                .contains("other tokens"));
    }

    @Test
    void anAdapterWhoseOwnBaseCalculatesDifferentlyIsRefusedWhereThatOneIsThere() throws IOException {
        Path other = model("other", CONFIG.replace("10000.0", "20000.0"));
        Path adapter = adapter("adapter", other);
        try (CausalLM model = CausalLM.load(base)) {
            String message = refusal(() -> AdapterFormat.load(model, adapter, false));
            assertTrue(message.contains("'rope_theta'") && message.contains(other.toString()), message);
            Map<String, Object> config = new LinkedHashMap<>();
            AdapterConfigFile.read(adapter).asMap().forEach((key, value) -> {
                if (value != null) {
                    config.put(key, value);
                }
            });
            config.put("base_model_name_or_path", "somebody/else");
            AdapterConfigFile.write(adapter, config);
            AdapterFormat.load(model, adapter, false).close();
        }
    }

    private Path adapter(String name, Path model) {
        Path saved = directory.resolve(name);
        try (CausalLM loaded = CausalLM.load(model.toAbsolutePath());
                Adapter adapter = Lora.builder().targetModules("q_proj").build().attach(loaded)) {
            adapter.save(saved);
        }
        return saved;
    }

    private Path broken(String name, float value) throws IOException {
        Path saved = model(name, CONFIG);
        try (CausalLM model = CausalLM.load(saved);
                TensorScope scope = TensorScope.open()) {
            set(model.network().namedParameters().get(NORM), value);
            ModelWriter.of(model).exact().write(directory.resolve(name + "-broken"));
        }
        return directory.resolve(name + "-broken");
    }

    private static void set(Parameter parameter, float value) {
        parameter.value().narrow(0, 1, 1).copyInPlace(Tensors.of(new float[] {value}, 1));
    }

    @ParameterizedTest
    @EnumSource(MergeMethod.class)
    void noMergeOfNumbersThatAreNoneIsWritten(MergeMethod method) throws IOException {
        Path bad = broken("bad", Float.NaN);
        MergeSettings settings = MergeSettings.of(new double[] {0.5, 0.5});
        String message = refusal(() -> CheckpointMerge.write(List.of(bad, base), base, method, settings, output));
        assertTrue(message.contains(NORM), message);
        assertFalse(Files.exists(output.resolve("model.safetensors")));
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
    void noDeltaOfNumbersThatAreNoneIsWritten(float value) throws IOException {
        Path bad = broken("bad", value);
        assertTrue(refusal(() -> Delta.diff(base, bad, new DeltaForm.Dense(), output.resolve("delta")))
                .contains(NORM));
    }

    @Test
    void aDeltaThatIsScaledBeyondAllNumbersIsNotWritten() throws IOException {
        Path other = model("other", CONFIG);
        Path delta = directory.resolve("delta.safetensors");
        Delta.diff(base, other, new DeltaForm.Dense(), delta);
        for (double scale : new double[] {Double.NaN, 1e300}) {
            assertTrue(refusal(() -> Delta.apply(base, delta, scale, output)).contains("scale"));
        }
        assertFalse(Files.exists(output.resolve("model.safetensors")));
    }

    @Test
    void anAdapterOfNumbersThatAreNoneIsNotFolded() throws IOException {
        try (CausalLM model = CausalLM.load(base);
                Adapter adapter = Lora.builder()
                        .targetModules("q_proj", "v_proj")
                        .modulesToSave(List.of("lm_head"))
                        .build()
                        .attach(model)) {
            adapter.parametersByKey().forEach((key, parameter) -> {
                if (key.contains("layers.1.self_attn.v_proj.lora_B")) {
                    try (TensorScope scope = TensorScope.open()) {
                        parameter
                                .value()
                                .detach()
                                .copyInPlace(
                                        Tensors.of(new float[] {Float.NaN}, 1).expand(parameter.shape()));
                    }
                }
            });
            assertTrue(refusal(adapter::merge).contains("model.layers.1.self_attn.v_proj.weight"));
            model.network()
                    .namedParameters()
                    .forEach((name, parameter) -> assertTrue(parameter.value().isFinite(), name));
        }
    }
}
