package org.finetune4j.dist.ranks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.ranks.ProcessRank.Starter;
import org.junit.jupiter.api.Test;

class ProcessRankTest {

    @Test
    void aProcessThatNobodySpeaksToIsAlone() {
        assertEquals(new ProcessRank(Starter.NOBODY, 0, 1, 0), ProcessRank.of(Map.of("RANK", "3")));
    }

    @Test
    void mpirunComesBeforeOthers() {
        Map<String, String> environment = Map.of(
                "OMPI_COMM_WORLD_RANK", "3",
                "OMPI_COMM_WORLD_SIZE", "4",
                "OMPI_COMM_WORLD_LOCAL_RANK", "1",
                "RANK", "0",
                "WORLD_SIZE", "9");
        assertEquals(new ProcessRank(Starter.MPIRUN, 3, 4, 1), ProcessRank.of(environment));
    }

    @Test
    void torchrunsNamesAreRead() {
        assertEquals(
                new ProcessRank(Starter.ENVIRONMENT, 1, 2, 0),
                ProcessRank.of(Map.of("RANK", "1", "WORLD_SIZE", "2", "LOCAL_RANK", "0")));
        assertEquals(new ProcessRank(Starter.ENVIRONMENT, 0, 1, 0), ProcessRank.of(Map.of("WORLD_SIZE", "1")));
    }

    @Test
    void contradictionsAreNamed() {
        assertEquals(
                "environment: RANK is missing beside the other ranks' variables", refused(Map.of("WORLD_SIZE", "2")));
        assertEquals(
                "environment: RANK=2 and LOCAL_RANK=0 do not fit WORLD_SIZE=2",
                refused(Map.of("WORLD_SIZE", "2", "RANK", "2")));
        assertEquals(
                "environment: RANK='one' is not a whole number", refused(Map.of("WORLD_SIZE", "2", "RANK", "one")));
    }

    private static String refused(Map<String, String> environment) {
        return String.valueOf(assertThrows(UserErrorException.class, () -> ProcessRank.of(environment))
                .getMessage());
    }
}
