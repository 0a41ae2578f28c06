package org.finetune4j.model;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Predicate;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.KeyValueCache;
import org.finetune4j.nn.RouterLoss;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.TokenScales;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * A segment whose gradients libtorch's autograd finds. It runs on an input that is cut off from what made it, so that
 * autograd sees this segment only and its memory is free as soon as it has gone back.
 */
final class AutogradSegment implements Segment {

    /** What a segment calculates. */
    private interface Calculation {
        Tensor of(Tensor input, SequenceContext context);
    }

    private final Predicate<SequenceContext> trains;
    private final Calculation calculation;

    private AutogradSegment(Predicate<SequenceContext> trains, Calculation calculation) {
        this.trains = trains;
        this.calculation = calculation;
    }

    static AutogradSegment layer(DecoderLayer layer) {
        return new AutogradSegment(context -> layer.isTrainable() || readsWhatTrains(context), layer::run);
    }

    private static boolean readsWhatTrains(SequenceContext context) {
        KeyValueCache cache = context.cache();
        TokenScales scales = context.tokenScales();
        return (cache != null && cache.isTrainable()) || (scales != null && scales.train());
    }

    static AutogradSegment embedding(DecoderModel network, DType computeDType) {
        return new AutogradSegment(
                context -> network.embeddingTrains() || requireGradient(context.virtualEmbeddings()),
                (inputIds, context) -> network.embed(inputIds, context, computeDType));
    }

    private static boolean requireGradient(@Nullable Tensor virtualEmbeddings) {
        return virtualEmbeddings != null && virtualEmbeddings.requiresGrad();
    }

    @Override
    public boolean trains(SequenceContext context) {
        return trains.test(context);
    }

    @Override
    public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients) {
        if (!gradients.wanted()) {
            try (Autograd.Mode mode = Autograd.disabled()) {
                return SegmentOutput.unrecorded(calculate(input, context));
            }
        }
        try (Autograd.Mode mode = Autograd.enabled()) {
            if (gradients == Gradients.OF_INPUT) {
                input.requiresGrad(true);
            }
            Tensor output = calculate(input, context).unscoped();
            RouterLoss loss = context.routerListener() instanceof RouterLoss adds ? adds : null;
            return new Recorded(
                    input.unscoped(), output, output.detach(), loss, loss == null ? List.of() : loss.takeOutputs());
        }
    }

    private Tensor calculate(Tensor input, SequenceContext context) {
        try (TensorScope scope = TensorScope.open()) {
            return scope.keep(calculation.of(input, context));
        }
    }

    /**
     * One segment's part of the graph.
     *
     * @param input a leaf
     * @param output with the graph
     * @param tensor the output without it
     * @param loss what the extra outputs belong to, or null
     * @param extras outputs beside the hidden states
     */
    private record Recorded(
            Tensor input,
            Tensor output,
            Tensor tensor,
            @Nullable RouterLoss loss,
            List<Tensor> extras) implements SegmentOutput {

        @Override
        public boolean isRecorded() {
            return true;
        }

        @Override
        public @Nullable Tensor backward(@Nullable Tensor gradient) {
            Tensor arrived = SegmentOutput.arrived(gradient, !output.isClosed());
            try {
                if (output.requiresGrad()) {
                    run(arrived);
                }
                return input.requiresGrad() ? input.grad() : null;
            } finally {
                arrived.close();
                close();
            }
        }

        private void run(Tensor gradient) {
            if (loss == null || extras.isEmpty()) {
                Autograd.backward(output, gradient);
                return;
            }
            List<Tensor> outputs = new ArrayList<>(extras);
            List<Tensor> gradients = new ArrayList<>(Collections.nCopies(outputs.size(), loss.outputGradient()));
            outputs.add(output);
            gradients.add(gradient);
            Autograd.backward(outputs.toArray(Tensor[]::new), gradients.toArray(Tensor[]::new));
        }

        @Override
        public void close() {
            output.close();
            input.close();
            extras.forEach(Tensor::close);
        }
    }
}
