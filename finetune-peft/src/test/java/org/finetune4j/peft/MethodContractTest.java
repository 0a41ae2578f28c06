package org.finetune4j.peft;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.c3a.C3a;
import org.finetune4j.peft.fourierft.FourierFt;
import org.finetune4j.peft.ia3.Ia3;
import org.finetune4j.peft.miss.Miss;
import org.finetune4j.peft.miss.Miss.Form;
import org.finetune4j.peft.shira.Shira;
import org.finetune4j.strategy.FineTuningStrategy;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;

/** Methods that change the weights of linear layers in other ways, or scale what goes in or out, keep the promises of an adapter. */
@Tag("slow")
class MethodContractTest {

    @Nested
    class Ia3OnKeysValuesAndFeedForward extends TargetedContract {
        private final TargetModules inputs = new TargetModules.Regex(".*(mlp\\.c_proj|down_proj)");

        @Override
        protected FineTuningStrategy strategy() {
            return strategy(ModuleSelection.of(
                    new TargetModules.Regex(".*(k_proj|v_proj|qkv_proj|c_attn|mlp\\.c_proj|down_proj)")));
        }

        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Ia3(modules, inputs, true);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            List<Linear> outputs = layers(model, List.of("c_attn", "k_proj", "v_proj", "qkv_proj"));
            long scaledInputs = model.network().namedModules().entrySet().stream()
                    .filter(entry -> inputs.matches(entry.getKey()))
                    .mapToLong(entry -> ((Linear) entry.getValue()).inFeatures())
                    .sum();
            return scaledInputs
                    + outputs.stream().mapToLong(Linear::outFeatures).sum();
        }
    }

    @Nested
    class MissOnAllLayers extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Miss(8, 1, 0.3, Form.PLAIN, modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return allLinear(model).stream()
                    .mapToLong(layer -> 8 * layer.outFeatures())
                    .sum();
        }
    }

    @Nested
    class MissThatMultipliesTheWeight extends FewModelsContract {
        @Override
        protected List<String> models() {
            return List.of("llama", "gpt2");
        }

        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Miss(8, 1, 0, Form.BAT, modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return allLinear(model).stream()
                    .mapToLong(layer -> 8 * layer.outFeatures())
                    .sum();
        }
    }

    @Nested
    class C3aOnAllLayers extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new C3a(8, C3a.Start.ZERO, Map.of(), modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return allLinear(model).stream()
                    .mapToLong(layer -> layer.inFeatures() * layer.outFeatures() / 8)
                    .sum();
        }
    }

    @Nested
    class ShiraOnAllLayers extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Shira(2, 3, true, modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(allLinear(model), 2);
        }
    }

    @Nested
    class FourierFtOnAllLayers extends TargetedContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new FourierFt(50, 40, 777, true, Map.of(), modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return 50L * allLinear(model).size();
        }
    }
}
