package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicBoolean;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.TinyModels;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.Test;

/** A request to stop is for the training that is under way. */
class FineTunerStopTest {

    @Test
    void aTunerThatWasStoppedTrainsAgain() {
        AtomicBoolean once = new AtomicBoolean(true);
        FineTuner[] tuner = new FineTuner[1];
        try (CausalLM model = TinyModels.loadWithDropout("llama")) {
            tuner[0] = FineTuner.of(model)
                    .strategy(new FullFineTuning())
                    .dataset(new SyntheticSamples(8, 199, 1))
                    .arguments(TrainingArguments.builder().maxSteps(3).build())
                    .listener(new TrainingListener() {
                        @Override
                        public void onStep(StepMetrics metrics) {
                            if (once.getAndSet(false)) {
                                tuner[0].requestStop();
                            }
                        }
                    });
            try (TrainingResult first = tuner[0].train()) {
                assertTrue(first.summary().interrupted());
                assertEquals(1, first.summary().steps());
            }
            try (TrainingResult second = tuner[0].train()) {
                assertEquals(3, second.summary().steps());
            }
        }
    }
}
