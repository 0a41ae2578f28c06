package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.nn.RowGroups;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.PooledAdapter;
import org.finetune4j.strategy.RowAdapterPool;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A batch with a row for each of PEFT's adapters of one base, of all methods that change linear layers, computes what each computes alone. */
class RowsOfManyMethodsTest {

    private static final int[] TOKENS = {5, 9, 17, 33, 4, 8};

    /** What rows of one batch cannot do apart, by the beginning of the directory's name. */
    private static final List<String> REFUSED = List.of(
            "ln",
            "p-tuning",
            "prefix",
            "prompt",
            "trainable-tokens",
            "xlora", // a pass of its own finds out how much each of its adapters counts
            "lokr-layers", // with modules_to_save
            "lora-bias",
            "lora-changed",
            "lora-embedding",
            "lora-larger",
            "lora-modules",
            "lora-saved",
            "lora-smaller",
            "lora-tokens",
            "multitask");

    private static float[] logits(CausalLM model, int rows, @Nullable RowAdapters adapters) {
        int[] ids =
                IntStream.range(0, rows).flatMap(row -> Arrays.stream(TOKENS)).toArray();
        byte[] mask = new byte[ids.length];
        Arrays.fill(mask, (byte) 1);
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(new ModelInputs(rows, TOKENS.length, ids, mask, null), adapters)
                    .toFloatArray();
        }
    }

    private static List<Path> stored(String base) throws IOException {
        return PeftParityTest.adapters()
                .filter(directory -> directory
                        .getParent()
                        .equals(Path.of("src/test/resources/goldens/peft").resolve(base)))
                .toList();
    }

    /** Row i uses the i-th adapter, the last row none. */
    private static RowAdapters oneEach(List<PooledAdapter> adapters) {
        return (rows, device) -> {
            List<RowGroups.Group> groups = new ArrayList<>();
            Object owner = "";
            for (int row = 0; row < adapters.size(); row++) {
                RowGroups own = adapters.get(row).rows().of(1, device);
                owner = own.owner();
                groups.add(RowGroups.Group.of(own.groups().get(0).adapter(), new int[] {row}, device));
            }
            return new RowGroups(owner, groups);
        };
    }

    @ParameterizedTest
    @CsvSource({"llama, 25", "qwen2, 12", "gpt2, 8"})
    void everyRowIsThatOfItsAdapterAlone(String base, int atLeast) throws IOException {
        Map<Path, float[]> found = new LinkedHashMap<>();
        Set<String> refused = new TreeSet<>();
        float[] plain;
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve(base))) {
            plain = logits(model, 1, null);
            List<Path> directories = stored(base);
            try (RowAdapterPool pool = AdapterFormat.of(directories.get(0)).pool(model)) {
                List<Path> used = new ArrayList<>();
                List<PooledAdapter> adapters = new ArrayList<>();
                for (Path directory : directories) {
                    try {
                        adapters.add(pool.load(directory));
                        used.add(directory);
                    } catch (UserErrorException e) {
                        assertFalse(e.getMessage().contains("\n"), e.getMessage());
                        refused.add(directory.getFileName().toString());
                    }
                }
                float[] all = logits(model, adapters.size() + 1, oneEach(adapters));
                for (int row = 0; row <= used.size(); row++) {
                    float[] own = Arrays.copyOfRange(all, row * plain.length, (row + 1) * plain.length);
                    if (row < used.size()) {
                        found.put(used.get(row), own);
                    } else {
                        assertArrayEquals(plain, own, 5e-5f, "the base's row");
                    }
                }
                for (int row = 0; row < used.size(); row += 5) { // all rows with one adapter
                    float[] two = logits(model, 2, adapters.get(row).rows());
                    assertArrayEquals(
                            found.get(used.get(row)), Arrays.copyOf(two, plain.length), 5e-5f, used.get(row) + "");
                }
                adapters.forEach(PooledAdapter::close);
            }
            assertArrayEquals(plain, logits(model, 1, null), 0, "after the pool was closed");
        }
        for (Map.Entry<Path, float[]> row : found.entrySet()) {
            try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve(base));
                    Adapter alone = AdapterFormat.load(model, row.getKey(), false)) {
                assertTrue(alone.isEnabled());
                assertArrayEquals(
                        logits(model, 1, null),
                        row.getValue(),
                        1e-4f,
                        row.getKey().toString());
            }
        }
        assertTrue(found.size() >= atLeast, found.size() + " adapters");
        assertEquals(
                List.of(),
                refused.stream()
                        .filter(name -> REFUSED.stream().noneMatch(name::startsWith))
                        .toList());
    }
}
