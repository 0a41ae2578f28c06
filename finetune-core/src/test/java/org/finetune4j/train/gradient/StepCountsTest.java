package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.OperatorTrace;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What a step asks for, counted where time says nothing: operators, products, new memory and Java's own. A layer's share is the difference
 * between models of four layers and of two. Who lowers a count lowers it here; who raises one says why.
 */
class StepCountsTest {

    private static final String CONFIG =
            "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_size\": 64,"
                    + " \"intermediate_size\": 128, \"num_hidden_layers\": %d, \"num_attention_heads\": 4, \"num_key_value_heads\": 2,"
                    + " \"vocab_size\": 100, \"max_position_embeddings\": 256, \"rms_norm_eps\": 1e-5, \"tie_word_embeddings\": true,"
                    + " \"hidden_act\": \"silu\"}";

    private static final int BATCH = 2;
    private static final int LENGTH = 128; // two blocks of attention

    /** Seven linear layers, each forwards and two ways backwards. */
    private static final int PRODUCTS = 21;

    /** Of every block two forwards, and five backwards. */
    private static final int PRODUCTS_OF_ATTENTION = 14;

    private static final Set<String> NEW_MEMORY =
            Set.of("empty", "empty_like", "empty_strided", "zeros", "full", "clone");

    private Model few;
    private Model many;

    private static final class Model implements AutoCloseable {

        private final CausalLM model;
        private final AttachedStrategy full;
        private final Backpropagation steps;
        private final Batch batch;

        Model(int layers) {
            model = CausalLM.initialize(ModelConfig.parse(CONFIG.formatted(layers), "test"), null, Device.CPU, 0);
            full = new FullFineTuning().attach(model);
            steps = new Backpropagation(model, GradientCheckpointing.none());
            int[] ids = IntStream.range(0, BATCH * LENGTH).map(i -> i * 7 % 100).toArray();
            byte[] mask = new byte[ids.length];
            Arrays.fill(mask, (byte) 1);
            batch = new Batch(BATCH, LENGTH, ids, mask, ids);
            run(); // memory that stays is there
            run();
        }

        void run() {
            steps.run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens()));
            full.trainableParameters().forEach(parameter -> parameter.clearGrad());
        }

        @Override
        public void close() {
            full.close();
            model.close();
        }
    }

    @BeforeEach
    void open() {
        few = new Model(2);
        many = new Model(4);
    }

    @AfterEach
    void close() {
        few.close();
        many.close();
    }

    private double aLayer(Predicate<OperatorTrace.Call> counted) {
        return (asked(many).stream().filter(counted).count()
                        - asked(few).stream().filter(counted).count())
                / 2.0;
    }

    /** Without those by which libtorch adds a batch of matrices one by one. */
    private static List<OperatorTrace.Call> asked(Model model) {
        List<OperatorTrace.Call> asked = new ArrayList<>();
        OperatorTrace.Call outer = null;
        for (OperatorTrace.Call call : OperatorTrace.of(model::run)) {
            if (outer != null && outer.contains(call)) {
                continue;
            }
            outer = call.name().equals("baddbmm_") ? call : null;
            asked.add(call);
        }
        return asked;
    }

    @Test
    void aLayerMultipliesNoMoreThanItHasTo() {
        assertEquals(PRODUCTS, aLayer(call -> call.name().equals("addmm_")));
        assertEquals(PRODUCTS_OF_ATTENTION, aLayer(call -> call.name().equals("baddbmm_")));
        assertEquals(0, aLayer(call -> Set.of("mm", "bmm", "addmm", "matmul").contains(call.name())));
    }

    @Test
    void aLayerAsksForNoMoreOperatorsThanItDid() {
        double operators = aLayer(call -> true);
        assertTrue(operators <= 690, "operators a layer, forwards and backwards: " + operators);
    }

    /** Activations and gradients lie in memory that stays: what is new are streams between layers, and masks. */
    @Test
    void aLayerAsksForNoMoreNewMemoryThanItDid() {
        double allocations = aLayer(call -> NEW_MEMORY.contains(call.name()));
        assertTrue(allocations <= 10, "allocations a layer, forwards and backwards: " + allocations);
    }

    @Test
    void aLayerMakesNoMoreGarbageThanItDid() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long thread = Thread.currentThread().getId();
        for (int i = 0; i < 20; i++) { // until what is compiled is
            few.run();
            many.run();
        }
        long before = threads.getThreadAllocatedBytes(thread);
        few.run();
        long between = threads.getThreadAllocatedBytes(thread);
        many.run();
        long bytes = (threads.getThreadAllocatedBytes(thread) - between - (between - before)) / 2;
        assertTrue(bytes <= 200_000, "bytes of Java's heap a layer, forwards and backwards: " + bytes);
    }
}
