package org.finetune4j.dist.zero;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.dist.zero.RanksTraining.Outcome;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class EquivalenceTest {

    private static final Map<String, Outcome> ALONE = new HashMap<>();

    static Stream<Arguments> some() {
        return trainings(true);
    }

    static Stream<Arguments> theOthers() {
        return trainings(false);
    }

    /** Every model, method, stage and number of ranks: those with one number for each of the others, in turn, or the rest. */
    private static Stream<Arguments> trainings(boolean some) {
        List<Arguments> chosen = new ArrayList<>();
        int turn = 0;
        for (String model : List.of("llama", "gpt2", "mixtral")) {
            for (String method : List.of("full", "lora", "qlora")) {
                for (int stage = 0; stage <= 3; stage++) {
                    for (int ranks = 2; ranks <= 4; ranks++) {
                        if ((ranks == 2 + turn % 3) == some) {
                            chosen.add(Arguments.of(model, method, ranks, stage));
                        }
                    }
                    turn++;
                }
            }
        }
        return chosen.stream();
    }

    @ParameterizedTest(name = "{0} {1}, {2} ranks, stage {3}")
    @MethodSource("some")
    void ranksTrainAsOneProcessDoes(String model, String method, int ranks, int stage) {
        RanksTraining training = new RanksTraining(model, method);
        Outcome alone = ALONE.computeIfAbsent(model + method, key -> training.alone());
        List<Outcome> together = training.on(ranks, stage);
        alone.requireSame(together.get(0));
        together.forEach(alone::requireSameWeights);
    }

    @Tag("slow")
    @ParameterizedTest(name = "{0} {1}, {2} ranks, stage {3}")
    @MethodSource("theOthers")
    void anyNumberOfRanksTrainsAsOneProcessDoes(String model, String method, int ranks, int stage) {
        ranksTrainAsOneProcessDoes(model, method, ranks, stage);
    }
}
