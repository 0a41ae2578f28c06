package org.finetune4j.model.fused;

import org.finetune4j.model.Segment;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.WeightBuffers;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * A layer of Llama's shape whose gradients are found by formula. Passes that the formulas do not hold for are autograd's: those that
 * read a cache, drop elements, have several adapters, or do not calculate in float32 on a CPU; so are those that do not train.
 */
final class FusedLayer implements Segment {

    private final LayerShape shape;
    private final Segment other;

    FusedLayer(DecoderLayer layer, LayerShape shape) {
        this.shape = shape;
        this.other = SegmentFactory.byAutograd(layer);
    }

    @Override
    public boolean trains(SequenceContext context) {
        return other.trains(context);
    }

    private boolean isKnown(Tensor input, SequenceContext context) {
        return context.cache() == null
                && context.rowGroups() == null
                && context.weightBuffers() != null
                && input.dtype() == DType.FLOAT32
                && input.device().equals(Device.CPU)
                && shape.holdsWith(context.dropout());
    }

    @Override
    public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients) {
        WeightBuffers buffers = context.weightBuffers();
        // What is only asked for its numbers has those of every other way to ask.
        boolean trains = gradients != Gradients.NONE || context.dropout().isOn();
        if (buffers == null || !trains || !isKnown(input, context)) {
            return other.forward(input, context, gradients);
        }
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            FusedPass pass = new FusedPass(shape, context, buffers.arena(), input);
            Tensor output;
            try {
                output = scope.keep(pass.forward());
            } catch (RuntimeException | Error e) {
                pass.close();
                throw e;
            }
            if (!gradients.wanted()) {
                pass.close();
                return SegmentOutput.unrecorded(output);
            }
            return new Recorded(pass, input.unscoped(), output, gradients == Gradients.OF_INPUT);
        }
    }

    /**
     * A pass that can go back.
     *
     * @param pass what it kept
     * @param input taken over
     * @param tensor the output
     * @param wanted whether the input's gradient was asked for
     */
    private record Recorded(FusedPass pass, Tensor input, Tensor tensor, boolean wanted) implements SegmentOutput {

        @Override
        public boolean isRecorded() {
            return true;
        }

        @Override
        public @Nullable Tensor backward(@Nullable Tensor gradient) {
            Tensor arrived = SegmentOutput.arrived(gradient, !input.isClosed());
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                Tensor further = pass.backward(arrived, wanted);
                return wanted ? scope.keep(further) : null;
            } finally {
                arrived.close();
                close();
            }
        }

        @Override
        public void close() {
            pass.close();
            input.close();
        }
    }
}
