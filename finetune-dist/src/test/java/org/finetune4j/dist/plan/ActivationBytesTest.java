package org.finetune4j.dist.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.Settings;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.dist.tensor.ExpertDivision;
import org.finetune4j.dist.tensor.TensorParallel;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.memory.StreamMemory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What ranks that share matrices keep for the backward pass, measured, beside what a plan divides and what it does not. */
class ActivationBytesTest {

    private static final LoadOptions PLAIN = new LoadOptions(Device.CPU, DType.FLOAT32).withComputeDType(DType.FLOAT32);
    private static final int ROWS = 4;
    private static final int LENGTH = 512;
    /** The virtual machine's own threads take and free memory meanwhile. */
    private static final int PASSES = 9;

    @TempDir
    Path directory;

    @BeforeEach
    void requireCounter() {
        assumeTrue(NativeBytes.inUse().isPresent(), "this C library does not tell what it has given out");
    }

    @ParameterizedTest(name = "{0} on {1} ranks, tokens divided: {2}")
    @CsvSource({"full, 2, false", "full, 2, true", "full, 4, true", "lora, 2, false", "lora, 4, false", "lora, 2, true"
    })
    void ranksKeepWhatThePlanDivides(String method, int ranks, boolean dividesTokens) {
        FineTuningStrategy strategy = FineTuningMethod.named(method).create(new Settings("test", Map.of()));
        ModelConfig config = ModelConfig.parse(PlannerTest.llama(64, 160, 3, 4, 4, 100), "test");
        StreamMemory stream;
        try (CausalLM model = CausalLM.initialize(config, null, PLAIN, 1)) {
            model.save(directory);
            try (AttachedStrategy attached = strategy.attach(model)) {
                stream = StreamMemory.of(model, ROWS * LENGTH);
            }
        }
        double alone = kept(strategy, 1, false);
        double within = alone - stream.norms() - stream.inputs();
        double expected = stream.norms() / (dividesTokens ? ranks : 1.0) + stream.inputs() + within / ranks;
        assertEquals(expected, kept(strategy, ranks, dividesTokens), 0.08 * alone);
    }

    /** Bytes a rank between the forward and the backward pass, the median of several. */
    private double kept(FineTuningStrategy strategy, int ranks, boolean dividesTokens) {
        return LocalRanks.call(ranks, Duration.ofMinutes(1), rank -> {
                    try (TensorParallel tensor = new TensorParallel(rank, ExpertDivision.SLICES, dividesTokens);
                            CausalLM share = CausalLM.load(directory, tensor.options(PLAIN));
                            AttachedStrategy attached = strategy.attach(share);
                            TensorScope scope = TensorScope.open()) {
                        int[] ids = IntStream.range(0, LENGTH).map(i -> i % 90).toArray();
                        Batch batch = new Collator(0, 1).collate(Collections.nCopies(ROWS, new Sample(ids, ids)));
                        long[] kept = new long[PASSES];
                        for (int pass = 0; pass < PASSES; pass++) {
                            rank.barrier();
                            long before = NativeBytes.inUse().orElseThrow();
                            int place = pass;
                            LossHead head = (hidden, context, wantGradient) -> {
                                rank.barrier();
                                kept[place] = NativeBytes.inUse().orElseThrow() - before;
                                rank.barrier();
                                return new LossHead.Result(0, Tensors.zeros(DType.FLOAT32, Device.CPU, hidden.shape()));
                            };
                            rank.barrier();
                            new Backpropagation(share, new GradientCheckpointing(0))
                                    .with(SegmentFactory.autograd())
                                    .run(batch.modelInputs(), head);
                        }
                        Arrays.sort(kept);
                        return kept[PASSES / 2] / (double) ranks;
                    }
                })
                .get(0);
    }
}
