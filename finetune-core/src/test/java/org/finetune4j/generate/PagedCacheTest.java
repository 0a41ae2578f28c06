package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.KeyValueCache;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A cache may lay out keys and values as it likes: here in pages, for rows that come and go and have lengths of their own. */
class PagedCacheTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/arch");

    /** Pages of a few tokens; every sequence has a list of them. */
    private static final class Pages implements KeyValueCache, AutoCloseable {

        private static final int TOKENS = 4;

        private final Map<Integer, List<KeyValues>> pool = new HashMap<>();
        private final Deque<Integer> free = new ArrayDeque<>();
        private final Map<Integer, List<Integer>> pagesOf = new HashMap<>();
        private final Map<Integer, Integer> lengthOf = new HashMap<>();
        private final int layers;
        private int[] batch = {};

        Pages(int layers) {
            this.layers = layers;
        }

        /** Says which sequences the rows of the next batch are. */
        void batch(int... sequences) {
            batch = sequences;
        }

        int lengthOf(int sequence) {
            return lengthOf.getOrDefault(sequence, 0);
        }

        void advance(int tokens) {
            for (int sequence : batch) {
                lengthOf.merge(sequence, tokens, Integer::sum);
            }
        }

        void remove(int sequence) {
            free.addAll(pagesOf.remove(sequence));
            lengthOf.remove(sequence);
        }

        @Override
        public int length() {
            return Arrays.stream(batch).map(this::lengthOf).max().orElse(0);
        }

        @Override
        public Tensor attend(
                int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context) {
            List<Tensor> attended = new ArrayList<>();
            for (int row = 0; row < batch.length; row++) {
                int before = lengthOf(batch[row]);
                int added = (int) keys.size(1);
                for (int token = 0; token < added; token++) {
                    KeyValues page = page(batch[row], before + token, layer, keys);
                    int slot = (before + token) % TOKENS;
                    page.keys().select(0, slot).copyInPlace(keys.select(0, row).select(0, token));
                    page.values()
                            .select(0, slot)
                            .copyInPlace(values.select(0, row).select(0, token));
                }
                List<Tensor> allKeys = new ArrayList<>();
                List<Tensor> allValues = new ArrayList<>();
                for (int number : pagesOf.get(batch[row])) {
                    allKeys.add(pool.get(number).get(layer).keys());
                    allValues.add(pool.get(number).get(layer).values());
                }
                int all = before + added;
                attended.add(attention.over(
                        query.narrow(0, row, 1),
                        Tensors.cat(allKeys, 0).narrow(0, 0, all).unsqueeze(0),
                        Tensors.cat(allValues, 0).narrow(0, 0, all).unsqueeze(0),
                        null,
                        before == 0));
            }
            return Tensors.cat(attended, 0);
        }

        private KeyValues page(int sequence, int position, int layer, Tensor like) {
            List<Integer> pages = pagesOf.computeIfAbsent(sequence, key -> new ArrayList<>());
            if (position / TOKENS == pages.size()) {
                Integer reused = free.poll();
                pages.add(reused == null ? pool.size() : reused);
            }
            return pool.computeIfAbsent(pages.get(position / TOKENS), key -> IntStream.range(0, layers)
                            .mapToObj(i -> new KeyValues(room(like), room(like)))
                            .toList())
                    .get(layer);
        }

        private static Tensor room(Tensor like) {
            return Tensors.zeros(DType.FLOAT32, Device.CPU, TOKENS, like.size(2), like.size(3))
                    .unscoped();
        }

        @Override
        public void close() {
            pool.values()
                    .forEach(page -> page.forEach(layer -> {
                        layer.keys().close();
                        layer.values().close();
                    }));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "gpt2", "qwen3_moe", "opt"})
    void rowsOfTheirOwnLengthsComeAndGo(String name) {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(GOLDENS.resolve(name));
                Pages pages = new Pages(model.network().layers().size())) {
            Map<Integer, List<Integer>> texts = new HashMap<>();
            read(model, pages, texts, 0, 11);
            read(model, pages, texts, 1, 2);
            read(model, pages, texts, 2, 7);
            for (int step = 0; step < 6; step++) {
                next(model, pages, texts, 0, 1, 2);
            }
            assertEquals(
                    List.of(17, 8, 13),
                    IntStream.range(0, 3).mapToObj(pages::lengthOf).toList());
            pages.remove(0);
            texts.remove(0);
            read(model, pages, texts, 3, 5);
            for (int step = 0; step < 3; step++) {
                next(model, pages, texts, 3, 1);
                next(model, pages, texts, 2);
            }
        }
    }

    private static void read(CausalLM model, Pages pages, Map<Integer, List<Integer>> texts, int sequence, int length) {
        int[] ids = IntStream.range(0, length)
                .map(i -> 3 + (17 * sequence + 5 * i) % 90)
                .toArray();
        texts.put(sequence, new ArrayList<>(Arrays.stream(ids).boxed().toList()));
        pages.batch(sequence);
        check(model, texts, run(model, pages, ModelInputs.of(ids)), sequence);
    }

    /** One more token for each of these sequences, in one batch. */
    private static void next(CausalLM model, Pages pages, Map<Integer, List<Integer>> texts, int... sequences) {
        int[] ids = new int[sequences.length];
        int[] positions = new int[sequences.length];
        byte[] mask = new byte[sequences.length];
        Arrays.fill(mask, (byte) 1);
        for (int row = 0; row < sequences.length; row++) {
            ids[row] = 3 + (31 * sequences[row] + 11 * pages.lengthOf(sequences[row])) % 90;
            positions[row] = pages.lengthOf(sequences[row]);
            texts.get(sequences[row]).add(ids[row]);
        }
        pages.batch(sequences);
        check(model, texts, run(model, pages, new ModelInputs(sequences.length, 1, ids, mask, positions)), sequences);
    }

    private static float[] run(CausalLM model, Pages pages, ModelInputs inputs) {
        try (TensorScope scope = TensorScope.open()) {
            SequenceContext context = model.context(inputs, pages);
            Tensor hidden = model.hiddenStates(inputs, context); // [rows, seq, hidden]
            pages.advance(inputs.sequenceLength());
            Tensor last = hidden.select(1, hidden.size(1) - 1);
            return model.network().logits(last, context).contiguous().toFloatArray();
        }
    }

    private static void check(CausalLM model, Map<Integer, List<Integer>> texts, float[] found, int... sequences) {
        int vocabulary = found.length / sequences.length;
        for (int row = 0; row < sequences.length; row++) {
            int[] ids = texts.get(sequences[row]).stream()
                    .mapToInt(Integer::intValue)
                    .toArray();
            try (TensorScope scope = TensorScope.open()) {
                Tensor all = model.logits(ModelInputs.of(ids)); // [1, seq, vocabulary]
                assertArrayEquals(
                        all.select(1, all.size(1) - 1).contiguous().toFloatArray(),
                        Arrays.copyOfRange(found, row * vocabulary, (row + 1) * vocabulary),
                        1e-4f);
            }
        }
    }
}
