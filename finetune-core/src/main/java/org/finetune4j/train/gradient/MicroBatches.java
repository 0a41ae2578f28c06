package org.finetune4j.train.gradient;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.ModelSegments;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Residency;
import org.finetune4j.tensor.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The batches that one thread has on their way through a model, forwards and backwards over ranges of its segments. It is
 * inside of the model until it is closed.
 */
public final class MicroBatches implements AutoCloseable {

    private final CausalLM model;
    private final Dropout dropout;
    private final EmbeddingNoise noise;
    private final RandomGenerator draws;
    private final int groupSize;
    private final CausalLM.Entry entry;
    private final @Nullable ActivationFiles files;
    private final ModelSegments segments;
    private final @Nullable ExpertCounts experts;

    MicroBatches(
            CausalLM model,
            GradientCheckpointing checkpointing,
            Dropout dropout,
            EmbeddingNoise noise,
            List<Residency> residencies,
            SegmentFactory factory,
            @Nullable ExpertCounts experts,
            RandomGenerator draws) {
        Path offload = checkpointing.offloadDirectory();
        this.model = model;
        this.dropout = dropout;
        this.noise = noise;
        this.experts = experts;
        this.draws = draws;
        this.groupSize = checkpointing.everyLayers();
        this.entry = model.enter();
        try {
            this.files = offload == null ? null : new ActivationFiles(offload);
            this.segments = ModelSegments.of(model, residencies, factory);
        } catch (RuntimeException | Error e) {
            entry.close();
            throw e;
        }
    }

    /**
     * Sets a batch on its way.
     *
     * @param inputs the batch
     * @param head computes its loss
     * @return to be closed when it has gone back; its tensors belong to the open scope
     */
    public MicroBatch start(ModelInputs inputs, LossHead head) {
        return start(inputs, head, BatchPart.WHOLE);
    }

    /**
     * Sets a part of a batch on its way.
     *
     * @param inputs the part
     * @param head computes its loss
     * @param part which part it is
     * @return to be closed when it has gone back; its tensors belong to the open scope
     */
    public MicroBatch start(ModelInputs inputs, LossHead head, BatchPart part) {
        return new MicroBatch(this, inputs, head, part);
    }

    CausalLM model() {
        return model;
    }

    ModelSegments segments() {
        return segments;
    }

    Dropout dropout() {
        return dropout;
    }

    EmbeddingNoise noise() {
        return noise;
    }

    /** For the draws of batches that have a seed. */
    RandomGenerator draws() {
        return draws;
    }

    @Nullable
    ExpertCounts experts() {
        return experts;
    }

    /** How many layers run again together; 0 where none does. */
    int groupSize() {
        return groupSize;
    }

    @Nullable
    ActivationFiles files() {
        return files;
    }

    /** Leaves the model and frees what was kept for batches that have not gone back. */
    @Override
    public void close() {
        try {
            segments.close();
            if (files != null) {
                files.close();
            }
        } finally {
            entry.close();
        }
    }
}
