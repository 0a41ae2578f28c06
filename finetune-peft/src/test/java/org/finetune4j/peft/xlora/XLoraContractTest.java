package org.finetune4j.peft.xlora;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.xlora.XLoraConfig.Classifier;
import org.finetune4j.peft.xlora.XLoraConfig.Scalings;
import org.finetune4j.strategy.AdapterContract;
import org.finetune4j.strategy.FineTuningStrategy;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

/** What every method promises, of mixtures of two LoRA adapters. They were made for one model, so each model has its own. */
class XLoraContractTest {

    /** One model with two adapters. */
    abstract static class OnOneModel extends AdapterContract {

        private final String name;
        private final String[] fewTargets;
        private final Classifier classifier;
        private final Scalings scalings;
        private final boolean trainsAdapters;
        private final long numbers;

        private Map<String, Path> adapters = Map.of();

        OnOneModel(
                String name,
                List<String> fewTargets,
                Classifier classifier,
                Scalings scalings,
                boolean trainsAdapters,
                long numbers) {
            this.name = name;
            this.fewTargets = fewTargets.toArray(String[]::new);
            this.classifier = classifier;
            this.scalings = scalings;
            this.trainsAdapters = trainsAdapters;
            this.numbers = numbers;
        }

        @BeforeAll
        void trainAdapters(@TempDir Path loras) {
            try (CausalLM model = TinyModels.load(name, LoadOptions.defaults())) {
                adapters = MixedLoras.two(model, loras, fewTargets);
            }
        }

        @Override
        protected List<String> models() {
            return List.of(name);
        }

        @Override
        protected FineTuningStrategy strategy() {
            // Nothing goes back through the first pass, so a gradient is the derivative where what trains is not in it.
            double firstPass = trainsAdapters ? 0 : 0.25;
            return new XLora(new XLoraConfig(adapters, classifier, scalings, trainsAdapters, firstPass, null));
        }

        /** A new classifier mixes its adapters evenly or so: it is no neutral start. */
        @Override
        protected float neutralTolerance() {
            return Float.MAX_VALUE;
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return numbers;
        }

        @Override
        protected Optional<FineTuningStrategy> withTarget(String target) {
            return Optional.empty();
        }
    }

    @Nested
    class OneLayerForAllPlaces extends OnOneModel {
        OneLayerForAllPlaces() {
            super("llama", List.of("q_proj"), new Classifier(1, 2048, 0.2), Scalings.dense(), false, 2 * 48 + 2);
        }
    }

    @Nested
    class EveryPlaceByItself extends OnOneModel {
        EveryPlaceByItself() {
            super(
                    "gpt2",
                    List.of("c_attn"),
                    new Classifier(3, 10, 0.2),
                    new Scalings(true, false, 0.5, true, null, 1.5),
                    false,
                    10 * 48 + 10 + 10 * 10 + 10 + (10 + 1) * 2 * 8);
        }
    }

    @Nested
    class ManyLayers extends OnOneModel {
        ManyLayers() {
            super(
                    TinyModels.DEEP,
                    List.of("v_proj"),
                    new Classifier(2, 6, 0),
                    Scalings.dense(),
                    false,
                    6 * 48 + 6 + (6 + 1) * 2);
        }
    }

    @Nested
    class FusedProjections extends OnOneModel {
        FusedProjections() {
            super(
                    "phi3",
                    List.of("qkv_proj"),
                    new Classifier(1, 1, 0),
                    new Scalings(false, false, 1, false, null, 0.5),
                    false,
                    2 * 48 + 2);
        }
    }

    @Nested
    class BesideExperts extends OnOneModel {
        BesideExperts() {
            super(
                    "qwen3_moe",
                    List.of("q_proj", "o_proj"),
                    new Classifier(1, 1, 0),
                    Scalings.dense(),
                    false,
                    2 * 48 + 2);
        }
    }

    @Nested
    class AdaptersThatTrain extends OnOneModel {
        AdaptersThatTrain() {
            super("qwen2", List.of("q_proj"), new Classifier(1, 1, 0), Scalings.dense(), true, 0);
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            long matrices = model.network().namedModules().entrySet().stream()
                    .filter(entry -> entry.getValue() instanceof Linear
                            && !entry.getKey().equals("lm_head"))
                    .mapToLong(entry -> {
                        Linear linear = (Linear) entry.getValue();
                        int ranks = entry.getKey().endsWith("q_proj") ? 3 + 2 : 3;
                        return ranks * (linear.inFeatures() + linear.outFeatures());
                    })
                    .sum();
            return 2 * 48 + 2 + matrices;
        }
    }
}
