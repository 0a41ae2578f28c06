package org.finetune4j.rlhf.preference;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.finetune4j.Settings;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.RecordedDecoders;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.rlhf.pair.TokenizedPair;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How pairs lie in rows changes neither their loss nor its gradients. */
class SharedPairTest {

    private static final Path BASES = Path.of("../finetune-core/src/test/resources/goldens/arch");

    private static List<TokenizedPair> pairs() {
        Random random = new Random(3);
        List<TokenizedPair> pairs = new ArrayList<>();
        for (int[] lengths : new int[][] {{7, 5, 3}, {3, 1, 9}, {12, 4, 4}, {1, 2, 3}}) {
            int[] prompt = random.ints(lengths[0], 5, 190).toArray();
            pairs.add(new TokenizedPair(
                    example(prompt, random.ints(lengths[1], 5, 190).toArray()),
                    example(prompt, random.ints(lengths[2], 5, 190).toArray())));
        }
        return pairs;
    }

    private static TokenizedExample example(int[] prompt, int[] answer) {
        int[] ids = Arrays.copyOf(prompt, prompt.length + answer.length);
        System.arraycopy(answer, 0, ids, prompt.length, answer.length);
        boolean[] trained = new boolean[ids.length];
        Arrays.fill(trained, prompt.length, ids.length, true);
        return new TokenizedExample(ids, trained, 0);
    }

    /** Every pair's sample, with a made-up reference. */
    private static List<Sample> samples(PairSampler sampler) {
        List<Sample> samples = new ArrayList<>();
        for (TokenizedPair pair : pairs()) {
            samples.add(sampler.sample(pair).with(PreferenceColumns.REFERENCE, 0, -20 - samples.size(), -21));
        }
        return samples;
    }

    private record Outcome(double loss, Map<String, float[]> gradients) {}

    private static Outcome run(
            CausalLM model, Map<String, Parameter> parameters, PairObjective objective, Batch batch) {
        parameters.values().forEach(Parameter::clearGrad);
        double loss = new Backpropagation(model, GradientCheckpointing.none())
                .withoutDropout()
                .run(batch.modelInputs(), objective.head(model.network(), batch, 1.0 / objective.count(batch)));
        return new Outcome(loss, NamedGradients.of(parameters));
    }

    private static void assertAlike(CausalLM model, Map<String, Parameter> parameters, PairObjective objective) {
        Collator padded = new Collator(0, 1);
        boolean prompts = objective.labelsPrompts();
        Outcome apart = run(model, parameters, objective, padded.collate(samples(new PairSampler(false, prompts))));
        Outcome shared = run(model, parameters, objective, padded.collate(samples(new PairSampler(true, prompts))));
        Outcome joined = run(
                model, parameters, objective, padded.withoutPadding().collate(samples(new PairSampler(true, prompts))));
        assertEquals(apart.loss, shared.loss, 1e-5);
        assertEquals(apart.loss, joined.loss, 1e-5);
        NamedGradients.assertSame(apart.gradients, shared.gradients, 1e-5f);
        NamedGradients.assertSame(apart.gradients, joined.gradients, 1e-5f);
    }

    static Stream<String> bases() {
        return RecordedDecoders.with("llama-tied", "llama-rope-linear");
    }

    @ParameterizedTest
    @MethodSource("bases")
    void everyDecoderGivesTheSameWhetherPromptsAreSharedOrNot(String name) {
        try (CausalLM model = CausalLM.load(BASES.resolve(name));
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            assertAlike(model, model.network().namedParameters(), PairObjective.dpo(0.1));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"orpo", "simpo", "cpo"})
    void lossesWithoutAReferenceDoToo(String name) {
        PairObjective objective =
                switch (name) {
                    case "orpo" -> PairObjective.orpo(0.1);
                    case "simpo" -> PairObjective.simpo(2, 1);
                    default -> PairObjective.cpo(0.1, 1);
                };
        try (CausalLM model = CausalLM.load(BASES.resolve("llama"));
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            assertAlike(model, model.network().namedParameters(), objective);
        }
    }

    static List<FineTuningStrategy> methods() {
        return List.of(
                Lora.builder().rank(2).alpha(4).targetModules("all-linear").build(),
                method("prefix_tuning"),
                method("prompt_tuning"));
    }

    private static FineTuningStrategy method(String name) {
        return FineTuningMethod.named(name).create(new Settings("a test", Map.of("num_virtual_tokens", 3)));
    }

    @ParameterizedTest
    @MethodSource("methods")
    void methodsThatPutSomethingBeforeTheTokensDoToo(FineTuningStrategy method) {
        try (CausalLM model = CausalLM.load(BASES.resolve("qwen2"));
                Adapter adapter = (Adapter) method.attach(model)) {
            assertAlike(model, adapter.parametersByKey(), PairObjective.dpo(0.1));
        }
    }
}
