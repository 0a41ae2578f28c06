package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.cli.RanksComparison.Difference;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Trainings that nobody wrote, by one process and by ranks: the same files and numbers, or a refusal of one line.
 * {@code -Dfinetune4j.trainings=1000 -Dfinetune4j.seed=7} tries other ones; a case that fails keeps its files in
 * {@code target/random-trainings/SEED}, and is repeated by {@code -Dfinetune4j.trainings=1 -Dfinetune4j.seed=SEED}.
 */
@Tag("slow")
class RandomTrainingsTest {

    private static final RandomCases CASES = RandomCases.of("random-trainings", "finetune4j.trainings", 12);
    private static final boolean PROCESSES = Files.isExecutable(Path.of("/usr/bin/mpirun")) && CASES.tells();
    private static final double TOLERANCE = 1e-5;
    /** How much further apart than by rounding alone two runs may be: rounding is measured by one draw of it. */
    private static final double OF_ROUNDING = 10;

    @Test
    void ranksTrainAsOneProcess() throws IOException {
        CASES.run((seed, at) -> {
            RandomTraining training = RandomTraining.draw(seed, at, PROCESSES);
            return RandomCases.Case.of(training.describe(), training.yaml(), () -> compare(training, at));
        });
    }

    private static String compare(RandomTraining training, Path at) {
        Path alone = at.resolve("alone/out");
        Path together = at.resolve("ranks/out");
        CommandRun one = training.train(alone, List.of());
        if (one.exitCode() == 2) {
            return "one process refuses, " + refusal(one);
        }
        requireDone(one);
        CommandRun several = training.launch(together);
        if (several.exitCode() == 2) {
            return "ranks refuse, " + refusal(several);
        }
        requireDone(several);
        Difference difference = RanksComparison.compare(alone, together, TOLERANCE);
        if (difference.largest() <= TOLERANCE) {
            return "the same";
        }
        Path moved = RandomModel.moved(training.model().directory(), at.resolve("moved"), training.lastDigit());
        requireDone(training.train(at.resolve("rounding/out"), List.of("model_name_or_path=" + moved)));
        Difference rounding = RanksComparison.compare(alone, at.resolve("rounding/out"), TOLERANCE);
        if (difference.largest() > OF_ROUNDING * rounding.largest()) {
            fail("apart by " + difference + "\nand by rounding alone " + rounding);
        }
        return "as far apart as by rounding, " + difference.largest() + " for " + rounding.largest() + " # "
                + difference.where().replaceAll(";.*", "");
    }

    private static void requireDone(CommandRun run) {
        if (run.exitCode() != 0) {
            fail("it ends with exit code " + run.exitCode() + "\n" + String.join("\n", run.err()));
        }
    }

    private static String refusal(CommandRun run) {
        if (run.errors().size() != 1 || run.err().stream().anyMatch(line -> line.startsWith("\tat "))) {
            fail("it is not refused in one line\n" + String.join("\n", run.err()));
        }
        return run.errors().get(0);
    }
}
