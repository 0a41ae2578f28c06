package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.adapter.BottleneckAdapters;
import org.finetune4j.peft.adapter.BottleneckConfig;
import org.finetune4j.peft.adapter.BottleneckConfig.Bottleneck;
import org.finetune4j.peft.prefix.PrefixTuning;
import org.finetune4j.peft.prefix.PrefixTuningConfig;
import org.finetune4j.peft.prompt.PTuning;
import org.finetune4j.peft.prompt.PTuningConfig;
import org.finetune4j.peft.prompt.PTuningConfig.Encoder;
import org.finetune4j.peft.prompt.PromptTuning;
import org.finetune4j.peft.prompt.PromptTuningConfig;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Methods outside of linear layers learn a few samples. */
@Tag("slow")
class LearningTest {

    private static final Map<String, PeftStrategy> METHODS = Map.of(
            "houlsby", BottleneckAdapters.of(BottleneckConfig.houlsby(new Bottleneck.Size(16))),
            "pfeiffer", BottleneckAdapters.of(BottleneckConfig.pfeiffer(new Bottleneck.Size(16))),
            "parallel", BottleneckAdapters.of(BottleneckConfig.parallel(new Bottleneck.Size(16))),
            "prefix", PrefixTuning.of(PrefixTuningConfig.of(8)),
            "projected prefix", PrefixTuning.of(PrefixTuningConfig.projected(8, 32)),
            "prompt", PromptTuning.of(PromptTuningConfig.of(8)),
            "P-tuning, MLP", PTuning.of(PTuningConfig.of(8, Encoder.MLP, 32)),
            "P-tuning, LSTM", PTuning.of(PTuningConfig.of(8, Encoder.LSTM, 16)));

    static Stream<String> methods() {
        return METHODS.keySet().stream().sorted();
    }

    @ParameterizedTest
    @MethodSource("methods")
    void theLossFalls(String name) {
        List<Double> losses = new ArrayList<>();
        TrainingListener listener = new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                losses.add(metrics.loss());
            }
        };
        TrainingArguments arguments = TrainingArguments.builder()
                .batchSize(2)
                .maxSteps(40)
                .learningRate(2e-2)
                .build();
        Torch.seed(5);
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                AttachedStrategy attached = METHODS.get(name).attach(model)) {
            new Trainer(
                            model,
                            attached,
                            arguments,
                            new SyntheticSamples(2, 199, 3),
                            null,
                            new Collator(0, 1),
                            List.of(listener))
                    .train();
        }
        double first = losses.get(0);
        double last = losses.get(losses.size() - 1);
        assertTrue(last < 0.8 * first, () -> name + ": from " + first + " to " + last);
    }
}
