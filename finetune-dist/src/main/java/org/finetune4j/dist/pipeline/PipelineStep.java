package org.finetune4j.dist.pipeline;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.Segment.Gradients;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.nn.Module;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.MicroBatch;
import org.finetune4j.train.gradient.MicroBatches;
import org.finetune4j.train.group.Pass;
import org.jspecify.annotations.Nullable;

/** The batches of one step on their way through the stages, as one rank sees them. */
final class PipelineStep implements AutoCloseable {

    private final PipelineShape shape;
    private final StagePlan plan;
    private final PipelineLinks links;
    private final CausalLM model;
    private final List<Pass> passes;
    private final MicroBatches all;
    private final TensorScope scope;
    private final List<MicroBatch> batches = new ArrayList<>();
    private final Map<PipelineAction, SegmentOutput> kept = new HashMap<>();
    private long nanoseconds;
    private long waited;

    /** Sets all batches on their way: what they ask the model before, all ranks do together. */
    PipelineStep(
            PipelineShape shape,
            StagePlan plan,
            PipelineLinks links,
            CausalLM model,
            Backpropagation backpropagation,
            List<Pass> passes) {
        this.shape = shape;
        this.plan = plan;
        this.links = links;
        this.model = model;
        this.passes = passes;
        this.all = backpropagation.microBatches();
        this.scope = TensorScope.open();
        try {
            for (Pass pass : passes) {
                batches.add(pass.start(all));
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /**
     * Runs this rank's stages.
     *
     * @param actions in their order
     * @return this rank's part of the loss: all of it on the last stage, but for what routers add on each
     */
    double run(List<PipelineAction> actions) {
        long before = links.waited();
        long started = System.nanoTime();
        double loss = 0;
        for (PipelineAction action : actions) {
            try (MatrixProducts.Mode products = passes.get(action.microBatch()).products();
                    TensorScope inner = TensorScope.open()) {
                loss += action.isForward() ? forward(action) : backward(action);
            }
        }
        for (MicroBatch batch : batches) {
            batch.finish();
            loss += batch.extraLoss();
        }
        nanoseconds = System.nanoTime() - started;
        waited = links.waited() - before;
        return loss;
    }

    private int stage(PipelineAction action) {
        return shape.stage(links.rank(), action.chunk());
    }

    private double forward(PipelineAction action) {
        MicroBatch batch = batches.get(action.microBatch());
        int stage = stage(action);
        Tensor input = stage == 0 ? batch.tokens() : received(batch);
        // Virtual tokens go in at the first segment, or into every layer.
        boolean trainsBefore = (stage > 0 && model.promptExtension() != null)
                || StageParts.segments(model.network()).subList(0, plan.from(stage)).stream()
                        .anyMatch(Module::isTrainable);
        SegmentOutput output = batch.forward(
                plan.from(stage), plan.to(stage), input, trainsBefore ? Gradients.OF_INPUT : Gradients.OF_PARAMETERS);
        kept.put(new PipelineAction(PipelineAction.Kind.BACKWARD, action.microBatch(), action.chunk()), output);
        if (stage == shape.stages() - 1) {
            return output.tensor().item();
        }
        links.sendForward(output.tensor(), batch.routed());
        return 0;
    }

    private Tensor received(MicroBatch batch) {
        PipelineLinks.Message message = links.receiveForward(batch.routed().length);
        batch.routed(message.numbers());
        return Objects.requireNonNull(message.tensor(), "hidden states");
    }

    private double backward(PipelineAction action) {
        MicroBatch batch = batches.get(action.microBatch());
        int stage = stage(action);
        boolean last = stage == shape.stages() - 1;
        double[] routed;
        Tensor gradient = null;
        if (last) {
            routed = batch.routedByAll();
        } else {
            PipelineLinks.Message message = links.receiveBackward(numbersBack(batch));
            routed = message.numbers();
            batch.routedByAll(routed);
            gradient = message.tensor();
        }
        try (SegmentOutput output = Objects.requireNonNull(kept.remove(action))) {
            Tensor arrived = arrived(output, gradient, last);
            if (stage > 0) {
                links.sendBackward(arrived, routed);
            }
        }
        return 0;
    }

    /** Where the loss does not depend on what this stage gave, nothing goes back. */
    private static @Nullable Tensor arrived(SegmentOutput output, @Nullable Tensor gradient, boolean last) {
        return output.isRecorded() && (last || gradient != null) ? output.backward(gradient) : null;
    }

    /** What goes back of routers is one number more than what goes forwards. */
    private static int numbersBack(MicroBatch batch) {
        int forwards = batch.routed().length;
        return forwards == 0 ? 0 : forwards + 1;
    }

    /** {@return the share of the step that this rank waited, beside what it would be if all stages took the same time} */
    Map<String, Average> bubble() {
        Map<String, Average> measured = new LinkedHashMap<>();
        measured.put("pipeline/bubble", new Average(waited, Math.max(1, nanoseconds)));
        measured.put("pipeline/bubble_formula", new Average(shape.bubble(), 1));
        return measured;
    }

    @Override
    public void close() {
        kept.values().forEach(SegmentOutput::close);
        batches.forEach(MicroBatch::close);
        scope.close();
        all.close();
    }
}
