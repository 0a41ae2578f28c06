package org.finetune4j.dist.zero;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.group.TrainingGroup;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HeldBytesTest {

    private static final long STEPS = 3;

    /** What a rank had and sent, measured when its last step was done. */
    private static final class Watched implements TrainingGroup {

        private final Communicator ranks;
        private HeldBytes held = new HeldBytes(0, 0, 0);

        Watched(Communicator ranks) {
            this.ranks = ranks;
        }

        @Override
        public Membership join(CausalLM model, AttachedStrategy strategy, TrainingArguments arguments) {
            return new DataParallelMembership(ranks, ranks, ModelParts.whole(), model, strategy, arguments) {
                @Override
                public boolean stops(boolean requested) {
                    held = heldBytes();
                    return super.stops(requested);
                }
            };
        }
    }

    private record Measured(HeldBytes held, long sent) {}

    private static Measured measured(String method, int ranks, int stage, int batches) {
        return measured("llama", method, ranks, stage, batches);
    }

    private static Measured measured(String model, String method, int ranks, int stage, int batches) {
        // One step more: what a step has left is looked at before the next one.
        RanksTraining training = new RanksTraining(model, method)
                .bucketBytes(1)
                .samples(2 * batches * ranks)
                .with(arguments ->
                        arguments.maxSteps(STEPS + 1).batchSize(2).gradientAccumulationSteps(batches * ranks));
        List<Measured> all = LocalRanks.call(ranks, Duration.ofMinutes(1), rank -> {
            Watched watched = new Watched(rank);
            training.train(watched, stage);
            return new Measured(watched.held, rank.volume().bytesSent());
        });
        return all.get(0);
    }

    private static void near(String what, double expected, double found) {
        assertEquals(expected, found, 0.02 * expected, what);
    }

    @ParameterizedTest(name = "stage {1} on {0} ranks")
    @CsvSource({"2, 1", "2, 2", "2, 3", "3, 2", "4, 1", "4, 2", "4, 3"})
    void aRankHoldsWhatTheFormulasSay(int ranks, int stage) {
        double all = measured("full", 2, 0, 1).held.parameters();
        HeldBytes held = measured("full", ranks, stage, 1).held;
        near("parameters", stage == 3 ? all / ranks : all, held.parameters());
        near("gradients", stage >= 2 ? all / ranks : all, held.gradients());
        near("states", 2 * all / ranks, held.optimizerStates());
    }

    @ParameterizedTest(name = "stage {1} on {0} ranks, {2} passes a step")
    @CsvSource({"2, 1, 1", "2, 1, 2", "4, 1, 1", "2, 2, 1", "3, 2, 2", "4, 2, 1"})
    void aRankSendsWhatTheFormulasSay(int ranks, int stage, int passes) {
        double parameters = measured("full", 2, 0, 1).held.parameters();
        double each = parameters * (ranks - 1) / ranks * (STEPS + 1);
        // The weights are read in the end, without a word between the ranks.
        near("sent", (stage == 1 ? 2 : passes + 1) * each, measured("full", ranks, stage, passes).sent);
    }

    /** The step before the last and its successor: the first has no end of another one in it. */
    @ParameterizedTest(name = "{0} {1}, stage {3} on {2} ranks, {4} passes a step")
    @CsvSource({
        "llama, full, 2, 1, 1",
        "llama, full, 2, 2, 2",
        "llama, full, 3, 2, 1",
        "llama, full, 2, 3, 2",
        "llama, lora, 2, 3, 1",
        "llama-tied, full, 2, 1, 1",
        "llama-tied, full, 2, 2, 2",
        "llama-tied, full, 2, 3, 2"
    })
    void everyStepTellsWhatItSentBesideTheFormulaAndHowLongItWaited(
            String model, String method, int ranks, int stage, int batches) {
        RanksTraining training = new RanksTraining(model, method)
                .samples(2 * batches * ranks)
                .with(arguments -> arguments.maxSteps(STEPS).batchSize(2).gradientAccumulationSteps(batches * ranks));
        List<StepMetrics> steps = training.on(ranks, stage).get(0).steps();
        Map<String, Double> metrics = steps.get(steps.size() - 1).metrics();
        double formula = metrics.get("communication/bytes_formula");
        // Parts of all ranks have one length, and ranks tell each other their losses.
        assertEquals(formula, metrics.get("communication/bytes_sent"), 0.005 * formula + 1000);
        double waited = metrics.get("communication/seconds_waited");
        assertTrue(waited >= 0 && waited <= metrics.get("communication/step_seconds"), metrics::toString);
    }

    /** A table that is embedding and output layer is sent as often as any other matrix. */
    @ParameterizedTest(name = "stage {0}, {1} passes a step")
    @CsvSource({"1, 1, 2", "2, 1, 2", "2, 2, 3", "3, 1, 2", "3, 2, 4"})
    void aTiedTableIsSentOnce(int stage, int batches, int times) {
        RanksTraining training = new RanksTraining("llama-tied", "full")
                .samples(4 * batches)
                .with(arguments -> arguments.maxSteps(STEPS).batchSize(2).gradientAccumulationSteps(batches * 2));
        Map<String, Double> metrics =
                training.on(2, stage).get(0).steps().get((int) STEPS - 1).metrics();
        // Two layers, a norm and the table; what two layers are gathered for is still there when they go back.
        double parameters = measured("llama-tied", "full", 2, 0, 1).held.parameters();
        double formula = times * 0.5 * parameters;
        assertEquals(formula, metrics.get("communication/bytes_sent"), 0.005 * formula + 1000);
    }

    @ParameterizedTest(name = "{0} ranks")
    @CsvSource({"2", "4"})
    void aFrozenBaseInFourBitsIsSharedAsItIsPacked(int ranks) {
        long whole = measured("qlora", 2, 2, 1).held.parameters();
        long shared = measured("qlora", ranks, 3, 1).held.parameters();
        long adapters = adapterBytes();
        near("base", (whole - adapters) / (double) ranks, shared - adapters);
        assertTrue(shared < whole);
    }

    private static long adapterBytes() {
        RanksTraining training = new RanksTraining("llama", "qlora");
        try (CausalLM model = training.load();
                AttachedStrategy lora = training.strategy().attach(model)) {
            return lora.trainableParameters().stream()
                    .mapToLong(parameter -> parameter.bytes())
                    .sum();
        }
    }
}
