package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.cli.RanksComparison.Difference;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Trainings that nobody wrote, by one process, with settings that are to change the way and not the numbers.
 * {@code -Dfinetune4j.equivalences=100 -Dfinetune4j.seed=7} tries other ones.
 */
@Tag("slow")
class RandomEquivalencesTest {

    private static final double TOLERANCE = 1e-5;
    private static final double OF_ROUNDING = 10;

    /** Settings, and the same ones in another way. */
    private record Way(String first, String second) {}

    private static final List<Way> WAYS = List.of(
            new Way(
                    "gradient_checkpointing=false activation_offloading=false",
                    "gradient_checkpointing=true activation_offloading=false"),
            new Way(
                    "gradient_checkpointing=true activation_offloading=false",
                    "gradient_checkpointing=2 activation_offloading=true"),
            new Way("fused_layers=true", "fused_layers=false"),
            new Way(
                    "optimizer_in_backward=false max_grad_norm=0 gradient_accumulation_steps=1",
                    "optimizer_in_backward=true max_grad_norm=0 gradient_accumulation_steps=1"),
            new Way(
                    "per_device_train_batch_size=4 gradient_accumulation_steps=1",
                    "per_device_train_batch_size=1 gradient_accumulation_steps=4"),
            new Way("share_prompts=true", "share_prompts=false"),
            new Way("padding_free=true", "padding_free=false"),
            new Way("dataloader_num_workers=0", "dataloader_num_workers=3"));

    @Test
    void otherWaysGiveTheSameNumbers() throws IOException {
        RandomCases.of("random-equivalences", "finetune4j.equivalences", 8).run((seed, at) -> {
            RandomTraining training = RandomTraining.draw(seed, at, false);
            Way way = way(seed, training);
            return RandomCases.Case.of(
                    training.describe().replaceAll(", launch.*", "") + ", " + way,
                    training.yaml(),
                    () -> compare(training, way, at));
        });
    }

    /**
     * One that the stage can go: some losses compare samples of a batch, a student answers whole batches, and what is dropped depends on
     * where a token lies in its batch.
     */
    private static Way way(long seed, RandomTraining training) {
        Way way = WAYS.get((int) (seed % WAYS.size()));
        boolean isOtherBatches = way.first.startsWith("per_device_train_batch_size");
        boolean looksAtBatches = List.of("distill", "kto", "orpo", "cpo")
                        .contains(String.valueOf(training.settings().get("stage")))
                || String.valueOf(training.settings().get("loss_type")).startsWith("aot");
        boolean placesTokens = isOtherBatches || way.first.startsWith("share_") || way.first.startsWith("padding_");
        return (isOtherBatches && looksAtBatches) || (placesTokens && training.draws()) ? WAYS.get(0) : way;
    }

    private static String compare(RandomTraining training, Way way, Path at) {
        Path first = at.resolve("first/out");
        Path second = at.resolve("second/out");
        List<String> settings = List.of(way.first.split(" "));
        CommandRun one = training.train(first, settings);
        CommandRun other = training.train(second, List.of(way.second.split(" ")));
        if (one.exitCode() == 2 || other.exitCode() == 2) {
            return "refused, " + (one.exitCode() == 2 ? one : other).errors();
        }
        requireDone(one);
        requireDone(other);
        Difference difference = RanksComparison.compareSteps(first, second, TOLERANCE);
        if (difference.largest() <= TOLERANCE) {
            return "the same";
        }
        Path moved = RandomModel.moved(training.model().directory(), at.resolve("moved"), training.lastDigit());
        List<String> all = new ArrayList<>(settings);
        all.add("model_name_or_path=" + moved);
        requireDone(training.train(at.resolve("rounding/out"), all));
        Difference rounding = RanksComparison.compareSteps(first, at.resolve("rounding/out"), TOLERANCE);
        if (difference.largest() > OF_ROUNDING * rounding.largest()) {
            fail("apart by " + difference + "\nand by rounding alone " + rounding);
        }
        return "as far apart as by rounding, " + difference.largest() + " for " + rounding.largest();
    }

    private static void requireDone(CommandRun run) {
        if (run.exitCode() != 0) {
            fail("it ends with exit code " + run.exitCode() + "\n" + String.join("\n", run.err()));
        }
    }
}
