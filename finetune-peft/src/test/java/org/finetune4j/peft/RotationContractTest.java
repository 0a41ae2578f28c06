package org.finetune4j.peft;

import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.boft.Boft;
import org.finetune4j.peft.hra.Hra;
import org.finetune4j.peft.oft.Oft;
import org.finetune4j.peft.road.Road;
import org.finetune4j.strategy.FineTuningStrategy;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;

/** Methods that turn or reflect what goes into a layer, or comes out, keep the promises of an adapter. */
@Tag("slow")
class RotationContractTest {

    @Nested
    class OftOnAllLayers extends TargetedContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Oft(0, 8, false, false, 5, true, modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return allLinear(model).stream()
                    .mapToLong(layer -> layer.inFeatures() / 8 * 28)
                    .sum();
        }
    }

    @Nested
    class BoftOnAllLayers extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Boft(4, 0, 2, 0.1, true, modules);
        }

        @Override
        protected List<String> models() {
            return List.of(
                    "llama",
                    "gpt2",
                    TinyModels.DEEP,
                    "qwen2",
                    "phi3"); // the router leaves an expert of qwen3_moe without tokens
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return allLinear(model).stream()
                    .mapToLong(layer -> 2 * 4 * layer.inFeatures() + layer.outFeatures())
                    .sum();
        }
    }

    @Nested
    class RoadOnAllLayers extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Road(Road.Variant.ROAD_1, 2, true, modules);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return allLinear(model).stream().mapToLong(Linear::outFeatures).sum();
        }
    }

    @Nested
    class HraOnAllLayers extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Hra(4, false, true, modules);
        }

        @Override
        protected float neutralTolerance() {
            return 1e-5f; // two reflections by one vector undo each other but for rounding
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return 4 * allLinear(model).stream().mapToLong(Linear::inFeatures).sum();
        }
    }

    /** Pairs of equal vectors leave nothing to make orthogonal: they must not be what it starts from. */
    @Nested
    class HraMadeOrthogonal extends FewModelsContract {
        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new Hra(4, true, true, modules);
        }

        @Override
        protected float neutralTolerance() {
            return 100; // reflections by orthogonal vectors do not undo each other, but logits are numbers
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return 4 * allLinear(model).stream().mapToLong(Linear::inFeatures).sum();
        }
    }
}
