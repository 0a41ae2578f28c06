package org.finetune4j.peft.adapter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.peft.adapter.BottleneckConfig.Bottleneck;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** AdapterHub's directories: what is kept, what is refused; how adapters start. */
class BottleneckDirectoryTest {

    private static final Path RECORDED = Path.of("src/test/resources/goldens/adapters/llama/houlsby");

    @TempDir
    Path directory;

    private static CausalLM llama() {
        return CausalLM.load(PeftParityTest.BASES.resolve("llama"));
    }

    @ParameterizedTest
    @MethodSource("org.finetune4j.peft.PeftParityTest#adapterHubDirectories")
    void aRecordedAdapterIsWrittenAsItWasRead(Path recorded) {
        Path base = PeftParityTest.BASES.resolve(recorded.getParent().getFileName());
        try (CausalLM model = CausalLM.load(base);
                Adapter adapter = AdapterFormat.load(model, recorded, false)) {
            adapter.save(directory);
            assertEquals(
                    AdapterConfigFile.read(recorded).asMap(),
                    AdapterConfigFile.read(directory).asMap());
            assertTrue(Files.exists(directory.resolve(BottleneckAdapter.WEIGHTS)));
        }
    }

    @Test
    void aClassifiersHeadHasFilesOfItsOwn() {
        Path recorded = Path.of("src/test/resources/goldens/adapters/bert-seqcls/houlsby");
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("bert-seqcls"));
                TensorScope scope = TensorScope.open();
                Adapter adapter = AdapterFormat.load(model, recorded, false);
                SafetensorsFile theirs = SafetensorsFile.open(recorded.resolve("model_head.safetensors"))) {
            adapter.save(directory);
            try (SafetensorsFile ours = SafetensorsFile.open(directory.resolve("model_head.safetensors"))) {
                assertEquals(Set.copyOf(theirs.names()), Set.copyOf(ours.names()));
                for (String name : theirs.names()) {
                    assertArrayEquals(
                            theirs.tensor(name).toFloatArray(),
                            ours.tensor(name).toFloatArray(),
                            name);
                }
            }
            ObjectNode kept = InputFiles.jsonObject(recorded.resolve("head_config.json"));
            kept.put("model_name", model.nameOrPath());
            assertEquals(kept, InputFiles.jsonObject(directory.resolve("head_config.json")));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"ln_before", "ln_after", "cross_adapter", "phm_layer", "use_gating"})
    void settingsThatChangeTheMathematicsAreRefused(String key) throws IOException {
        Files.copy(RECORDED.resolve(BottleneckAdapter.WEIGHTS), directory.resolve(BottleneckAdapter.WEIGHTS));
        Map<String, Object> config =
                new LinkedHashMap<>(AdapterConfigFile.read(RECORDED).asMap());
        Map<String, Object> inner = new LinkedHashMap<>();
        ((Map<?, ?>) config.get("config")).forEach((name, value) -> inner.put(String.valueOf(name), value));
        inner.put(key, true);
        config.put("config", inner);
        AdapterConfigFile.write(directory, config);
        try (CausalLM model = llama()) {
            String message = assertThrows(UserErrorException.class, () -> AdapterFormat.load(model, directory, false))
                    .getMessage();
            assertTrue(message.contains("'" + key + "': true"), message);
            assertFalse(model.network().isTrainable());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 7, 13, 48, 100})
    void anyBottleneckSizeIsFoundAgain(int size) {
        try (CausalLM model = llama()) {
            BottleneckConfig config = BottleneckConfig.parallel(new Bottleneck.Size(size));
            try (Adapter adapter = BottleneckAdapters.of(config).attach(model)) {
                adapter.save(directory);
            }
            try (Adapter loaded = AdapterFormat.load(model, directory, false)) {
                Parameter down = loaded.parametersByKey().values().iterator().next();
                assertEquals(size, down.value().size(0));
            }
        }
    }

    @Test
    void adaptersStartNearNeutralAsInBert() {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = llama();
                Adapter adapter = BottleneckAdapters.of(BottleneckConfig.houlsby(new Bottleneck.Size(48)))
                        .attach(model)) {
            adapter.parametersByKey().forEach((key, parameter) -> {
                Tensor values = parameter.value().detach();
                double deviation = Math.sqrt(values.square().mean().item());
                assertEquals(key.endsWith("weight") ? 0.02 : 0, deviation, 0.001, key);
            });
        }
    }
}
