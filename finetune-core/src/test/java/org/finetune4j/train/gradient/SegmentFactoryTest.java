package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.Segment;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.SyntheticSamples;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Another way to run a layer takes the place of autograd's where it knows the layer, and is compared with it. */
class SegmentFactoryTest {

    /** Every second layer by another segment, which counts what it does. */
    private static final class EverySecondLayer implements SegmentFactory {

        private final List<? extends DecoderLayer> layers;
        private int forwards;
        private int backwards;

        EverySecondLayer(CausalLM model) {
            this.layers = model.network().layers();
        }

        @Override
        public Optional<Segment> segment(DecoderLayer layer) {
            return layers.indexOf(layer) % 2 == 0 ? Optional.empty() : Optional.of(new KeepsItsInput(layer));
        }

        /** Keeps its input alone and calculates the rest again. */
        private final class KeepsItsInput implements Segment {

            private final DecoderLayer layer;

            KeepsItsInput(DecoderLayer layer) {
                this.layer = layer;
            }

            @Override
            public boolean trains(SequenceContext context) {
                return layer.isTrainable();
            }

            @Override
            public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients) {
                forwards++;
                try (Autograd.Mode mode = Autograd.disabled();
                        TensorScope scope = TensorScope.open()) {
                    Tensor output = scope.keep(layer.forward(input, context));
                    return gradients.wanted()
                            ? new Kept(input.unscoped(), output, context)
                            : SegmentOutput.unrecorded(output);
                }
            }

            private final class Kept implements SegmentOutput {

                private final Tensor input;
                private final Tensor output;
                private final SequenceContext context;

                Kept(Tensor input, Tensor output, SequenceContext context) {
                    this.input = input;
                    this.output = output;
                    this.context = context;
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
                public Tensor backward(@Nullable Tensor gradient) {
                    backwards++;
                    try (Autograd.Mode mode = Autograd.enabled();
                            TensorScope scope = TensorScope.open()) {
                        Tensor again = layer.forward(input.requiresGrad(true), context);
                        Autograd.backward(again, gradient);
                        return scope.keep(input.grad());
                    } finally {
                        gradient.close();
                        close();
                    }
                }

                @Override
                public void close() {
                    input.close();
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3})
    void theGradientsAreAutogradsWithCheckpointsToo(int everyLayers) {
        SyntheticSamples samples = new SyntheticSamples(2, 150, 4);
        Batch batch = new Collator(0, 1).collate(List.of(samples.get(0), samples.get(1)));
        try (CausalLM model = TinyModels.load(TinyModels.DEEP, LoadOptions.defaults());
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            LossHead head = LanguageModelLoss.of(model.network(), batch, 1);
            Backpropagation byAutograd =
                    new Backpropagation(model, new GradientCheckpointing(everyLayers)).with(SegmentFactory.autograd());
            double loss = byAutograd.run(batch.modelInputs(), head);
            Map<String, float[]> expected = NamedGradients.of(model.network().namedParameters());
            model.network().allParameters().forEach(Parameter::clearGrad);
            EverySecondLayer factory = new EverySecondLayer(model);
            Backpropagation other = byAutograd.with(factory);
            assertEquals(loss, other.run(batch.modelInputs(), head));
            NamedGradients.assertSame(
                    expected, NamedGradients.of(model.network().namedParameters()), 0);
            assertEquals(4, factory.backwards);
            assertEquals(everyLayers == 0 ? 4 : 8, factory.forwards, "a checkpointed layer runs again");
            assertEquals(byAutograd.evaluate(batch.modelInputs(), head), other.evaluate(batch.modelInputs(), head));
            assertTrue(factory.forwards > factory.backwards);
        }
    }

    /** What a layer consists of can be asked, and gradients be added, so that a backward pass by formula is one more file. */
    @ParameterizedTest(name = "{0}, checkpointed {1}")
    @CsvSource({"llama, 0, 2", "llama-of-8-layers, 2, 8", "qwen3, 1, 2", "mixtral, 0, 0", "gpt2, 0, 0", "gpt_oss, 0, 0"
    })
    void aBackwardPassByFormulaGivesAutogradsGradients(String name, int everyLayers, int byFormula) {
        SyntheticSamples samples = new SyntheticSamples(2, 150, 4);
        Batch batch = new Collator(0, 1).collate(List.of(samples.get(0), samples.get(1)));
        try (CausalLM model = TinyModels.load(name, LoadOptions.defaults());
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            LossHead head = LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens());
            Backpropagation byAutograd = new Backpropagation(model, new GradientCheckpointing(everyLayers))
                    .with(SegmentFactory.autograd())
                    .withoutDropout();
            double loss = byAutograd.run(batch.modelInputs(), head);
            byAutograd.run(batch.modelInputs(), head);
            Map<String, float[]> expected = NamedGradients.of(model.network().namedParameters());
            model.network().allParameters().forEach(Parameter::clearGrad);
            HandWrittenFeedForward factory = new HandWrittenFeedForward();
            assertEquals(loss, byAutograd.with(factory).run(batch.modelInputs(), head), 1e-6);
            byAutograd.with(factory).run(batch.modelInputs(), head);
            NamedGradients.assertSame(
                    expected, NamedGradients.of(model.network().namedParameters()), 1e-5f);
            assertEquals(2 * byFormula, factory.backwards());
        }
    }
}
