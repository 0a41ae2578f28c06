package org.finetune4j.peft;

import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.adalora.AdaLora;
import org.finetune4j.peft.adalora.AdaLoraConfig;
import org.finetune4j.peft.delora.Delora;
import org.finetune4j.peft.gralora.GraLora;
import org.finetune4j.peft.hira.Hira;
import org.finetune4j.peft.loha.Loha;
import org.finetune4j.peft.lokr.Lokr;
import org.finetune4j.peft.randlora.RandLora;
import org.finetune4j.peft.vblora.VbLora;
import org.finetune4j.peft.vera.Vera;
import org.finetune4j.strategy.FineTuningStrategy;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;

/** Methods whose change of a weight is made of small factors keep the promises of an adapter; LoRA has a test of its own. */
@Tag("slow")
class FactorContractTest {

    @Nested
    class VeraOnAllLayers extends TargetedContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Vera(8, 0.3, 0.1, 7, true, true, modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return allLinear(model).stream()
                    .mapToLong(layer -> 8 + layer.outFeatures())
                    .sum();
        }
    }

    @Nested
    class VeraWithoutSavedProjection extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Vera(4, 0, 0.1, 3, false, true, modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return allLinear(model).stream()
                    .mapToLong(layer -> 4 + layer.outFeatures())
                    .sum();
        }
    }

    @Nested
    class AdaLoraOnAllLayers extends TargetedContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return AdaLora.of(new AdaLoraConfig(2, 4, 8, 0.3, 1, 1, 1, 0.85, 0.85, 0.1, 0, true, Map.of(), modules));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(allLinear(model), 4) + 4L * allLinear(model).size();
        }
    }

    @Nested
    class RandLoraOnAllLayers extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new RandLora(5, 10, 0.3, 7, RandLora.Sparsity.DENSE, true, modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return allLinear(model).stream()
                    .mapToLong(layer -> {
                        long smaller = Math.min(layer.inFeatures(), layer.outFeatures());
                        return (smaller + 4) / 5 * (5 + smaller);
                    })
                    .sum();
        }
    }

    @Nested
    class DeloraOnAllLayers extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Delora(4, 3, 0.3, true, Map.of(), Map.of(), modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(allLinear(model), 4) + allLinear(model).size();
        }
    }

    @Nested
    class HiraOnAllLayers extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Hira(4, 0.3, Hira.Start.NEUTRAL, Map.of(), modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(allLinear(model), 4);
        }
    }

    @Nested
    class GraLoraOnAllLayers extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new GraLora(4, 8, 2, 3, 0.3, true, modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(allLinear(model), 4 + 3);
        }
    }

    @Nested
    class VbLoraOnAllLayers extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            // All vectors of the bank: where fewer are chosen, the loss jumps from choice to choice.
            return new VbLora(2, 12, 8, 12, 0.3, 1e-5, 0.1, modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return 12 * 8 + matrices(allLinear(model), 2) / 8 * 12;
        }
    }

    @Nested
    class LohaOnAllLayers extends TargetedContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            LycorisConfig dropping = new LycorisConfig(3, 6, 0.2, 0.1, Map.of(), Map.of(), modules);
            return new Loha(dropping, true);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return 2 * matrices(allLinear(model), 3);
        }
    }

    @Nested
    class LokrWithWholeFirstFactor extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return Lokr.of(LycorisConfig.of(modules, 3, 6));
        }

        @Override
        protected FineTuningStrategy strategy() {
            return strategy(ModuleSelection.of(new TargetModules.Regex(".*(q_proj|attn.c_proj)")));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            // 48 = 6 x 8 on both sides: w1 [6, 6], w2 = [8, 3] [3, 8], in each layer.
            return model.network().layers().size() * (6 * 6 + 2 * 3 * 8L);
        }
    }

    @Nested
    class LokrWithBothFactorsDecomposed extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Lokr(LycorisConfig.of(modules, 2, 4), true, -1, false, Lokr.Start.LYCORIS);
        }

        @Override
        protected FineTuningStrategy strategy() {
            return strategy(ModuleSelection.of(new TargetModules.Regex(".*(q_proj|attn.c_proj)")));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return model.network().layers().size() * (2 * 2 * 6 + 2 * 2 * 8L);
        }
    }
}
