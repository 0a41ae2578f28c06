package org.finetune4j.peft.adapter;

import java.util.List;
import java.util.Optional;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.adapter.BottleneckConfig.Bottleneck;
import org.finetune4j.peft.adapter.BottleneckConfig.Start;
import org.finetune4j.strategy.AdapterContract;
import org.finetune4j.strategy.FineTuningStrategy;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;

/** Bottleneck adapters keep the promises of an adapter. */
@Tag("slow")
class BottleneckContractTest {

    private static final int SIZE = 6;

    /** What the three kinds have in common. */
    abstract static class BottleneckContract extends AdapterContract {

        abstract BottleneckConfig config();

        @Override
        protected FineTuningStrategy strategy() {
            return BottleneckAdapters.of(config());
        }

        @Override
        protected Optional<FineTuningStrategy> withTarget(String name) {
            return Optional.empty();
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            long hidden = model.network().inputEmbedding().weight().value().size(1);
            int perLayer = config().attention() ? 2 : 1;
            return perLayer * model.network().layers().size() * (2 * SIZE * hidden + SIZE + hidden);
        }
    }

    @Nested
    class HoulsbyStartingNeutral extends BottleneckContract {
        @Override
        BottleneckConfig config() {
            return BottleneckConfig.houlsby(new Bottleneck.Size(SIZE)).startingFrom(Start.MAM_ADAPTER);
        }
    }

    @Nested
    class PfeifferStartingNearNeutral extends BottleneckContract {
        @Override
        BottleneckConfig config() {
            return BottleneckConfig.pfeiffer(new Bottleneck.Reduction(8)).withNonLinearity("gelu");
        }

        @Override
        protected float neutralTolerance() {
            return 0.1f;
        }

        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }
    }

    @Nested
    class Parallel extends BottleneckContract {
        @Override
        BottleneckConfig config() {
            return BottleneckConfig.parallel(new Bottleneck.Size(SIZE));
        }

        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }
    }
}
