package org.finetune4j.peft.lora;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.peft.TargetedContract;
import org.finetune4j.strategy.AdapterContract;
import org.finetune4j.strategy.FineTuningStrategy;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** LoRA keeps the promises of an adapter, with each of its options. */
@Tag("slow")
class LoraContractTest {

    /** LoRA with some options. */
    abstract static class Contract extends TargetedContract {

        abstract Lora.Builder builder();

        @Override
        protected FineTuningStrategy strategy() {
            return builder().build();
        }

        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return builder().modules(modules).build();
        }
    }

    @Nested
    class AllLinear extends Contract {
        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(4).alpha(8).dropout(0.3).targetModules("all-linear");
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(allLinear(model), 4);
        }
    }

    @Nested
    class WithFrozenA extends Contract {
        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }

        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(4).alpha(8).frozenA(true).targetModules("all-linear");
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return allLinear(model).stream()
                    .mapToLong(layer -> 4 * layer.outFeatures())
                    .sum();
        }
    }

    /** Layers without rotation, side by side, with norms on both ends, with factors, with a shared expert, with sinks. */
    @Nested
    class OnEveryLinearLayerOfOtherArchitectures extends AllLinear {
        @Override
        protected List<String> models() {
            return List.of(
                    "smollm3",
                    "granite",
                    "olmo3",
                    "qwen2_moe",
                    "starcoder2",
                    "cohere",
                    "cohere2",
                    "glm",
                    "glm4",
                    "phi",
                    "olmoe",
                    "stablelm",
                    "gpt_oss",
                    "hunyuan_v1_dense",
                    "apertus",
                    "gpt_bigcode");
        }
    }

    @Nested
    class OnTheWeightsOfAllExperts extends AdapterContract {
        @Override
        protected List<String> models() {
            return List.of("qwen3_moe", "mixtral", "qwen2_moe", "olmoe", "gpt_oss", "glm4_moe");
        }

        @Override
        protected FineTuningStrategy strategy() {
            return experts("mlp.experts.gate_up_proj", "mlp.experts.down_proj");
        }

        private static FineTuningStrategy experts(String... names) {
            return Lora.builder().rank(3).targetParameters(List.of(names)).build();
        }

        @Override
        protected Optional<FineTuningStrategy> withTarget(String name) {
            return Optional.empty();
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return model.network().namedModules().values().stream()
                    .filter(MixtureOfExperts.class::isInstance)
                    .flatMap(block -> ((MixtureOfExperts) block).experts().stream())
                    .mapToLong(expert -> 3
                            * (expert.gateAndUp().get(0).inFeatures()
                                    + expert.gateAndUp().stream()
                                            .mapToLong(Linear::outFeatures)
                                            .sum()
                                    + expert.down().inFeatures()
                                    + expert.down().outFeatures()))
                    .sum();
        }

        @Test
        void aNameThatIsNoWeightOfExpertsIsRefusedWithTheNearest() {
            try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("qwen3_moe"))) {
                String message = assertThrows(UserErrorException.class, () -> experts("mlp.experts.down_pro")
                                .attach(model))
                        .getMessage();
                assertTrue(message.contains("did you mean 'mlp.experts.down_proj'"), message);
            }
            try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"))) {
                assertTrue(assertThrows(UserErrorException.class, () -> experts("mlp.experts.down_proj")
                                .attach(model))
                        .getMessage()
                        .contains("no experts"));
            }
        }
    }

    @Nested
    class RankStabilisedWithBiases extends Contract {
        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }

        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(4).alpha(8).useRslora(true).bias(LoraConfig.Bias.ALL);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(defaultTargets(model), 4) + biases(model);
        }
    }

    @Nested
    class WithTheOutputLayerTrained extends Contract {
        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }

        @Override
        Lora.Builder builder() {
            return Lora.builder()
                    .rank(2)
                    .initialization(LoraInitialization.GAUSSIAN)
                    .modulesToSave(List.of("lm_head"));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(defaultTargets(model), 2)
                    + model.network().outputLayer().weight().value().numel();
        }
    }

    @Nested
    class OnTheOutputLayerWithBias extends Contract {
        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }

        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(3).loraBias(true).targetModules("lm_head", "fc1");
        }

        @Override
        protected FineTuningStrategy strategy() {
            return Lora.builder()
                    .rank(3)
                    .loraBias(true)
                    .targetModules("lm_head")
                    .build();
        }

        @Override
        protected boolean canMerge() {
            return false;
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            Linear head = model.network().outputLayer();
            return 3 * (head.inFeatures() + head.outFeatures()) + head.outFeatures();
        }
    }

    @Nested
    class OnEmbeddings extends Contract {
        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }

        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(4).targetModules(".*(embed_tokens|wte|q_proj|c_attn)");
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            long hidden = model.network().inputEmbedding().weight().value().size(1);
            return 4 * (model.network().inputEmbedding().count() + hidden)
                    + matrices(layers(model, List.of("q_proj", "c_attn")), 4);
        }
    }

    @Nested
    class Dora extends Contract {
        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(4).useDora(true).dropout(0.2).targetModules("all-linear");
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(allLinear(model), 4)
                    + allLinear(model).stream().mapToLong(Linear::outFeatures).sum();
        }

        @Override
        protected float neutralTolerance() {
            return 1e-5f;
        }

        /** The norm is taken as a constant, see {@link DoraGradientTest} for A and B. */
        @Override
        protected boolean isDerivative(Parameter parameter) {
            return parameter.name().endsWith("lora_magnitude_vector");
        }
    }

    @Nested
    class Pissa extends Contract {
        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }

        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(4).alpha(6).initialization(LoraInitialization.PISSA);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(defaultTargets(model), 4);
        }

        @Override
        protected float neutralTolerance() {
            return 1e-5f;
        }
    }

    @Nested
    class Olora extends Contract {
        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }

        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(4).initialization(LoraInitialization.OLORA);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(defaultTargets(model), 4);
        }

        @Override
        protected float neutralTolerance() {
            return 1e-5f;
        }
    }
}
