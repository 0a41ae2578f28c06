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

    static Stream<Arguments> every() {
        return trainings(List.of(2, 3, 4));
    }

    static Stream<Arguments> some() {
        return trainings(List.of(0));
    }

    /** Every model, method and stage; on these numbers of ranks, or on one number each, in turn. */
    private static Stream<Arguments> trainings(List<Integer> numbers) {
        List<Arguments> all = new ArrayList<>();
        for (String model : List.of("llama", "gpt2", "mixtral")) {
            for (String method : List.of("full", "lora", "qlora")) {
                for (int stage = 0; stage <= 3; stage++) {
                    for (int ranks : numbers) {
                        all.add(Arguments.of(model, method, ranks == 0 ? 2 + all.size() % 3 : ranks, stage));
                    }
                }
            }
        }
        return all.stream();
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
    @MethodSource("every")
    void anyNumberOfRanksTrainsAsOneProcessDoes(String model, String method, int ranks, int stage) {
        ranksTrainAsOneProcessDoes(model, method, ranks, stage);
    }
}
