package org.finetune4j.train.gradient;

import java.util.Optional;
import org.finetune4j.model.Segment;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.GatedFeedForward;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RmsNorm;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Llama's layer with the gradients of its norm and feed-forward block by formula: autograd sees the attention block, and of the
 * rest two projections are kept.
 */
final class HandWrittenFeedForward implements SegmentFactory {

    private int backwards;

    /** How many layers have gone back. */
    int backwards() {
        return backwards;
    }

    /** What the formulas below hold for. */
    @Override
    public Optional<Segment> segment(DecoderLayer layer) {
        return layer instanceof PreNormLayer whole
                        && whole.residualDropout() == 0
                        && whole.extension(DecoderLayer.Block.ATTENTION) == null
                        && whole.extension(DecoderLayer.Block.FEED_FORWARD) == null
                        && whole.postAttentionNorm() instanceof RmsNorm norm
                        && !norm.isOnePlus()
                        && whole.feedForward() instanceof GatedFeedForward block
                        && block.activation() == Activation.SILU
                        && isPlain(block.gate())
                        && isPlain(block.up())
                        && isPlain(block.down())
                ? Optional.of(new Layer(whole, norm, block))
                : Optional.empty();
    }

    private static boolean isPlain(Linear linear) {
        return linear.extension() == null
                && linear.bias() == null
                && linear.weight().compressed() == null;
    }

    private final class Layer implements Segment {

        private final PreNormLayer layer;
        private final RmsNorm norm;
        private final GatedFeedForward block;

        Layer(PreNormLayer layer, RmsNorm norm, GatedFeedForward block) {
            this.layer = layer;
            this.norm = norm;
            this.block = block;
        }

        @Override
        public boolean trains(SequenceContext context) {
            return layer.isTrainable()
                    || (context.cache() != null && context.cache().isTrainable());
        }

        @Override
        public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients) {
            try (TensorScope scope = TensorScope.open()) {
                Tensor attended;
                try (Autograd.Mode mode = gradients.wanted() ? Autograd.enabled() : Autograd.disabled()) {
                    if (gradients == Gradients.OF_INPUT) {
                        input.requiresGrad(true);
                    }
                    attended = input.add(
                            layer.selfAttention().forward(layer.inputNorm().forward(input), context));
                }
                try (Autograd.Mode mode = Autograd.disabled()) {
                    Tensor stream = attended.detach();
                    Tensor normalised = norm.forward(stream);
                    Tensor gate = block.gate().forward(normalised, context);
                    Tensor up = block.up().forward(normalised, context);
                    Tensor inner = block.activation().apply(gate).mul(up);
                    Tensor output = scope.keep(stream.add(block.down().forward(inner, context)));
                    return gradients.wanted()
                            ? new Recorded(
                                    input.unscoped(), attended.unscoped(), gate.unscoped(), up.unscoped(), output)
                            : SegmentOutput.unrecorded(output);
                }
            }
        }

        private final class Recorded implements SegmentOutput {

            private final Tensor input;
            private final Tensor attended;
            private final Tensor gate;
            private final Tensor up;
            private final Tensor output;

            Recorded(Tensor input, Tensor attended, Tensor gate, Tensor up, Tensor output) {
                this.input = input;
                this.attended = attended;
                this.gate = gate;
                this.up = up;
                this.output = output;
            }

            @Override
            public Tensor tensor() {
                return output;
            }

            @Override
            public boolean isRecorded() {
                return true;
            }

            @Override
            public @Nullable Tensor backward(@Nullable Tensor gradient) {
                backwards++;
                try (TensorScope scope = TensorScope.open()) {
                    Autograd.backward(attended, throughFeedForward(gradient));
                    return input.requiresGrad() ? scope.keep(input.grad()) : null;
                } finally {
                    gradient.close();
                    close();
                }
            }

            /** From d(loss)/d(output) to d(loss)/d(attended). */
            private Tensor throughFeedForward(Tensor gradient) {
                try (Autograd.Mode mode = Autograd.disabled()) {
                    long hidden = gradient.size(-1);
                    Tensor stream = attended.detach().view(-1, hidden); // [tokens, hidden]
                    Tensor scale =
                            stream.square().mean(-1, true).add(norm.epsilon()).rsqrt(); // [tokens, 1]
                    Tensor direction = stream.mul(scale);
                    Tensor weight = norm.weight().value().detach();
                    Tensor normalised = direction.mul(weight);
                    Tensor arrived = gradient.reshape(-1, hidden);
                    Tensor g = gate.view(-1, gate.size(-1)); // [tokens, inner]
                    Tensor u = up.view(-1, up.size(-1));
                    Tensor sigmoid = g.sigmoid();
                    Tensor activated = g.mul(sigmoid);
                    Tensor ofInner =
                            arrived.matmul(block.down().weight().value().detach());
                    add(block.down().weight(), arrived, activated.mul(u));
                    Tensor ofUp = ofInner.mul(activated);
                    // d(g sigmoid(g)) / dg = sigmoid(g) (1 + g (1 - sigmoid(g)))
                    Tensor slope = sigmoid.mul(g.mul(sigmoid.neg().add(1)).add(1));
                    Tensor ofGate = ofInner.mul(u).mul(slope);
                    add(block.up().weight(), ofUp, normalised);
                    add(block.gate().weight(), ofGate, normalised);
                    Tensor ofNormalised = ofGate.matmul(
                                    block.gate().weight().value().detach())
                            .add(ofUp.matmul(block.up().weight().value().detach()));
                    if (norm.weight().isTrainable()) {
                        norm.weight().addGradient(ofNormalised.mul(direction).sum(0, false));
                    }
                    Tensor ofDirection = ofNormalised.mul(weight);
                    Tensor along = ofDirection.mul(direction).mean(-1, true); // [tokens, 1]
                    Tensor ofStream = ofDirection.sub(direction.mul(along)).mul(scale);
                    return arrived.add(ofStream).view(gradient.shape());
                }
            }

            /** d(loss)/d(weight) of rows times the weight's transpose. */
            private void add(Parameter weight, Tensor ofOutput, Tensor rows) {
                if (weight.isTrainable()) {
                    weight.addGradient(ofOutput.t().matmul(rows));
                }
            }

            @Override
            public void close() {
                input.close();
                attended.close();
                gate.close();
                up.close();
            }
        }
    }
}
