package org.finetune4j.train.steps;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Objective;
import org.jspecify.annotations.Nullable;

/**
 * Works as a source of rollouts does: draws a few sequences with the run's random numbers, goes over them twice, some a step, and
 * draws new ones. A coefficient follows what its steps gave.
 */
public final class Rounds implements StepSource {

    static final int ROUNDS = 4;
    static final int SEQUENCES = 6;
    static final int PASSES = 2;
    static final int PER_STEP = 2;
    static final int LENGTH = 7;
    static final int STEPS = ROUNDS * PASSES * SEQUENCES / PER_STEP;

    private static final Objective OBJECTIVE = new CrossEntropy(LossOptions.crossEntropy());

    private final StepSetup setup;
    private long done;
    private double coefficient = 0.1;
    private int @Nullable [] drawn; // [SEQUENCES, LENGTH] of the round that is under way
    private Map<String, Double> metrics = Map.of();

    /** What may happen in a round. */
    Trouble trouble = Trouble.NONE;

    /** The step that it happens at. */
    long troubleAt;

    /** After how many steps the answers count as all the same; 0 for never. */
    long collapseAfter;

    /** What may happen in a round. */
    enum Trouble {
        NONE,
        ENDPOINT_IS_DOWN,
        GIVES_UP
    }

    public Rounds(StepSetup setup) {
        this.setup = setup;
    }

    @Override
    public OptionalLong totalSteps() {
        return OptionalLong.of(STEPS);
    }

    @Override
    public double epoch() {
        return done / ((double) STEPS / ROUNDS);
    }

    @Override
    public double totalEpochs() {
        return ROUNDS;
    }

    @Override
    public String fingerprint() {
        return ROUNDS + " rounds of " + SEQUENCES + " sequences";
    }

    @Override
    public Optional<StepsEnd> end() {
        return collapseAfter > 0 && done >= collapseAfter
                ? Optional.of(StepsEnd.collapse("all answers are the same since step " + collapseAfter))
                : Optional.empty();
    }

    private static int[] draw() {
        try (TensorScope scope = TensorScope.open()) {
            double[] numbers = Tensors.randn(DType.FLOAT32, Device.CPU, SEQUENCES, LENGTH)
                    .to(DType.FLOAT64)
                    .toDoubleArray();
            return Arrays.stream(numbers)
                    .mapToInt(x -> 3 + (int) (Math.abs(x) * 1000) % 190)
                    .toArray();
        }
    }

    @Override
    public Optional<StepBatches> next() {
        if (drawn == null) {
            int[] fresh = draw();
            if (trouble == Trouble.ENDPOINT_IS_DOWN && done + 1 >= troubleAt) {
                throw new UserErrorException("http://localhost:1: nobody answers");
            }
            if (trouble == Trouble.GIVES_UP && setup.stopRequested().getAsBoolean()) {
                return Optional.empty();
            }
            drawn = fresh;
        }
        int[] all = drawn;
        int first = (int) (done % (SEQUENCES / PER_STEP)) * PER_STEP;
        List<Batch> batches = IntStream.range(first, first + PER_STEP)
                .mapToObj(row -> Arrays.copyOfRange(all, row * LENGTH, (row + 1) * LENGTH))
                .map(ids -> new Collator(0, 1).collate(List.of(new Sample(ids, ids))))
                .toList();
        return Optional.of(StepBatches.of(batches, OBJECTIVE));
    }

    @Override
    public void updated(StepOutcome outcome) {
        done++;
        coefficient *= outcome.loss() > 5 ? 1.1 : 0.9;
        Map<String, Double> measured = new LinkedHashMap<>(Map.of("objective/coefficient", coefficient));
        if (done % (PASSES * SEQUENCES / PER_STEP) == 0) {
            measured.put("reward", done / 10.0);
            drawn = null;
            setup.warnings().accept("round " + (long) epoch() + " is over");
        }
        metrics = measured;
    }

    @Override
    public Map<String, Double> metrics() {
        return metrics;
    }

    @Override
    public SourceState state() {
        Map<String, Tensor> tensors = drawn == null ? Map.of() : Map.of("drawn", Tensors.of(drawn, SEQUENCES, LENGTH));
        return new SourceState(SourceState.empty().values(), tensors)
                .with("done", done)
                .with("coefficient", coefficient);
    }

    @Override
    public void restore(SourceState state) {
        done = state.natural("done", STEPS);
        coefficient = state.number("coefficient");
        drawn = state.tensors().containsKey("drawn")
                ? Arrays.stream(state.tensor("drawn").toLongArray())
                        .mapToInt(Math::toIntExact)
                        .toArray()
                : null;
    }
}
