package org.finetune4j.dist.communicator;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What holds for every back end, on several numbers of ranks. */
public abstract class CommunicatorContract {

    /**
     * Runs a case on every rank of a group.
     *
     * @param ranks how many
     * @param contract what each does
     */
    protected abstract void run(int ranks, CommunicatorCase contract);

    static List<Arguments> cases() {
        List<Arguments> all = new ArrayList<>();
        for (int ranks : new int[] {2, 3, 4}) {
            for (CommunicatorCase contract : CommunicatorCase.values()) {
                all.add(Arguments.of(ranks, contract));
            }
        }
        return all;
    }

    @ParameterizedTest(name = "{1} on {0} ranks")
    @MethodSource("cases")
    void everyRankFindsWhatItShould(int ranks, CommunicatorCase contract) {
        run(ranks, contract);
    }
}
