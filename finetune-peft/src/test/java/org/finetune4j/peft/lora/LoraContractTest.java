package org.finetune4j.peft.lora;

import java.util.List;
import java.util.Optional;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AdapterContract;
import org.finetune4j.strategy.FineTuningStrategy;
import org.junit.jupiter.api.Nested;

/** LoRA keeps the promises of an adapter, with each of its options. */
class LoraContractTest {

    /** LoRA on layers whose name is in the list, {@code rank * (in + out)} numbers each. */
    abstract static class Contract extends AdapterContract {

        abstract Lora.Builder builder();

        @Override
        protected FineTuningStrategy strategy() {
            return builder().build();
        }

        @Override
        protected Optional<FineTuningStrategy> withTarget(String name) {
            return Optional.of(builder().targetModules(name, "lm_head").build());
        }

        /** {@code rank * (in + out)} for every linear layer that is a target. */
        static long matrices(CausalLM model, int rank, List<String> names) {
            return layers(model, names).stream()
                    .mapToLong(layer -> rank * (layer.inFeatures() + layer.outFeatures()))
                    .sum();
        }

        static List<Linear> layers(CausalLM model, List<String> names) {
            return model.network().namedModules().entrySet().stream()
                    .filter(entry -> entry.getValue() instanceof Linear)
                    .filter(entry -> names.contains(
                            entry.getKey().substring(entry.getKey().lastIndexOf('.') + 1)))
                    .map(entry -> (Linear) entry.getValue())
                    .toList();
        }

        static List<String> defaultTargets(CausalLM model) {
            return model.config().text("model_type", "").equals("gpt2")
                    ? List.of("c_attn")
                    : List.of("q_proj", "v_proj");
        }

        static List<String> allLinear(CausalLM model) {
            return model.linearLayerNames().stream()
                    .filter(path -> !path.equals("lm_head"))
                    .map(path -> path.substring(path.lastIndexOf('.') + 1))
                    .distinct()
                    .toList();
        }

        static long biases(CausalLM model) {
            return model.network().namedModules().values().stream()
                    .map(Module::ownParameters)
                    .filter(own -> own.containsKey("bias"))
                    .mapToLong(own -> own.get("bias").value().numel())
                    .sum();
        }
    }

    @Nested
    class AllLinear extends Contract {
        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(4).alpha(8).targetModules("all-linear");
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(model, 4, allLinear(model));
        }
    }

    @Nested
    class RankStabilisedWithBiases extends Contract {
        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(4).alpha(8).useRslora(true).bias(LoraConfig.Bias.ALL);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(model, 4, defaultTargets(model)) + biases(model);
        }
    }

    @Nested
    class WithTheOutputLayerTrained extends Contract {
        @Override
        Lora.Builder builder() {
            return Lora.builder()
                    .rank(2)
                    .initialization(LoraInitialization.GAUSSIAN)
                    .modulesToSave(List.of("lm_head"));
        }

        @Override
        protected Optional<FineTuningStrategy> withTarget(String name) {
            return Optional.of(Lora.builder().targetModules(name, "lm_head").build());
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(model, 2, defaultTargets(model))
                    + model.network().outputLayer().weight().value().numel();
        }
    }

    @Nested
    class OnTheOutputLayerWithBias extends Contract {
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
        Lora.Builder builder() {
            return Lora.builder().rank(4).targetModules("embed_tokens");
        }

        @Override
        protected FineTuningStrategy strategy() {
            return builder().targetModules(".*(embed_tokens|wte|q_proj|c_attn)").build();
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            long hidden = model.network().inputEmbedding().weight().value().size(1);
            return 4 * (model.network().inputEmbedding().count() + hidden)
                    + matrices(model, 4, List.of("q_proj", "c_attn"));
        }
    }

    @Nested
    class Dora extends Contract {
        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(4).useDora(true).targetModules("all-linear");
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(model, 4, allLinear(model))
                    + layers(model, allLinear(model)).stream()
                            .mapToLong(Linear::outFeatures)
                            .sum();
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
        Lora.Builder builder() {
            return Lora.builder().rank(4).alpha(6).initialization(LoraInitialization.PISSA);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(model, 4, defaultTargets(model));
        }

        @Override
        protected float neutralTolerance() {
            return 1e-5f;
        }
    }

    @Nested
    class Olora extends Contract {
        @Override
        Lora.Builder builder() {
            return Lora.builder().rank(4).initialization(LoraInitialization.OLORA);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(model, 4, defaultTargets(model));
        }

        @Override
        protected float neutralTolerance() {
            return 1e-5f;
        }
    }
}
