package org.finetune4j.dist.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.pipeline.PipelineAction.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class PipelineScheduleTest {

    static Stream<Arguments> everySize() {
        List<Arguments> all = new ArrayList<>();
        for (PipelineSchedule schedule : PipelineSchedule.values()) {
            for (int ranks = 1; ranks <= 5; ranks++) {
                for (int chunks = 1; chunks <= (schedule == PipelineSchedule.INTERLEAVED ? 3 : 1); chunks++) {
                    for (int batches = 1; batches <= 11; batches++) {
                        all.add(Arguments.of(schedule, new PipelineShape(ranks, chunks, batches)));
                    }
                }
            }
        }
        return all.stream();
    }

    @ParameterizedTest
    @MethodSource("everySize")
    void everyStageGoesForwardsOnceAndBackOnceAfterThat(PipelineSchedule schedule, PipelineShape shape) {
        for (int rank = 0; rank < shape.ranks(); rank++) {
            List<PipelineAction> actions = schedule.actions(shape, rank);
            assertEquals(2 * shape.chunks() * shape.microBatches(), actions.size());
            assertEquals(actions.size(), new HashSet<>(actions).size());
            for (int i = 0; i < actions.size(); i++) {
                PipelineAction action = actions.get(i);
                if (!action.isForward()) {
                    int forward =
                            actions.indexOf(new PipelineAction(Kind.FORWARD, action.microBatch(), action.chunk()));
                    assertTrue(forward >= 0 && forward < i, action + " at " + i);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("everySize")
    void ranksNeverWaitForEachOtherForEver(PipelineSchedule schedule, PipelineShape shape) {
        PipelineTimeline timeline = PipelineTimeline.of(schedule, shape, 1, 2);
        assertTrue(timeline.bubble() >= shape.bubble() - 1e-12 || shape.chunks() > 1, timeline.toString());
    }

    /** Neighbours send and receive in the same order, so messages need no names. */
    @ParameterizedTest
    @MethodSource("everySize")
    void neighboursSendAndReceiveInTheSameOrder(PipelineSchedule schedule, PipelineShape shape) {
        for (int rank = 0; rank < shape.ranks(); rank++) {
            int after = (rank + 1) % shape.ranks();
            assertEquals(
                    sent(schedule, shape, rank, Kind.FORWARD, 1), received(schedule, shape, after, Kind.FORWARD, 0));
            assertEquals(
                    sent(schedule, shape, after, Kind.BACKWARD, -1), received(schedule, shape, rank, Kind.BACKWARD, 0));
        }
    }

    private static List<String> sent(PipelineSchedule schedule, PipelineShape shape, int rank, Kind kind, int towards) {
        return schedule.actions(shape, rank).stream()
                .filter(action -> action.kind() == kind)
                .map(action -> new int[] {shape.stage(rank, action.chunk()) + towards, action.microBatch()})
                .filter(message -> message[0] >= 0 && message[0] < shape.stages())
                .map(message -> message[0] + ":" + message[1])
                .toList();
    }

    private static List<String> received(
            PipelineSchedule schedule, PipelineShape shape, int rank, Kind kind, int towards) {
        int first = kind == Kind.FORWARD ? 0 : shape.stages() - 1;
        return sent(schedule, shape, rank, kind, towards).stream()
                .filter(message -> !message.startsWith(first + ":"))
                .toList();
    }

    @ParameterizedTest
    @CsvSource({
        "gpipe, 4, 1, 8",
        "1f1b, 4, 1, 8",
        "1f1b, 4, 1, 2",
        "gpipe, 2, 1, 1",
        "interleaved, 4, 2, 8",
        "interleaved, 2, 3, 4"
    })
    void theBubbleIsThatOfTheFormula(String name, int ranks, int chunks, int batches) {
        PipelineShape shape = new PipelineShape(ranks, chunks, batches);
        double expected = (ranks - 1) / (double) (chunks * batches + ranks - 1);
        assertEquals(expected, shape.bubble(), 1e-12);
        assertEquals(
                expected,
                PipelineTimeline.of(PipelineSchedule.named("", name), shape, 1, 2)
                        .bubble(),
                1e-12);
    }

    @Test
    void memoryInFlightIsAllBatchesOrTheRanksThatFollow() {
        PipelineShape shape = new PipelineShape(4, 1, 8);
        assertEquals(
                Collections.nCopies(4, 8),
                PipelineTimeline.of(PipelineSchedule.GPIPE, shape, 1, 2).inFlight());
        assertEquals(
                List.of(4, 3, 2, 1),
                PipelineTimeline.of(PipelineSchedule.ONE_FORWARD_ONE_BACKWARD, shape, 1, 2)
                        .inFlight());
        List<Integer> interleaved = PipelineTimeline.of(PipelineSchedule.INTERLEAVED, new PipelineShape(4, 2, 8), 1, 2)
                .inFlight();
        assertEquals(
                IntStream.range(0, 4)
                        .map(rank -> 2 * (3 - rank) + 4 + 1)
                        .boxed()
                        .toList(),
                interleaved);
    }

    @Test
    void theOrderOfASmallPipelineIsThatOfThePaper() {
        PipelineShape shape = new PipelineShape(2, 1, 3);
        assertEquals("F0 F1 B0 F2 B1 B2", written(PipelineSchedule.ONE_FORWARD_ONE_BACKWARD, shape, 0));
        assertEquals("F0 B0 F1 B1 F2 B2", written(PipelineSchedule.ONE_FORWARD_ONE_BACKWARD, shape, 1));
        assertEquals("F0 F1 F2 B0 B1 B2", written(PipelineSchedule.GPIPE, shape, 1));
    }

    private static String written(PipelineSchedule schedule, PipelineShape shape, int rank) {
        return String.join(
                " ",
                schedule.actions(shape, rank).stream()
                        .map(action -> (action.isForward() ? "F" : "B") + action.microBatch())
                        .toList());
    }

    @Test
    void aScheduleThatDoesNotExistIsToldWithTheNearest() {
        UserErrorException error =
                assertThrows(UserErrorException.class, () -> PipelineSchedule.named("train.yaml", "1f1"));
        assertEquals(
                "train.yaml: no schedule '1f1'; there are gpipe, 1f1b, interleaved; did you mean '1f1b'?",
                error.getMessage());
        assertThrows(
                IllegalArgumentException.class, () -> PipelineSchedule.GPIPE.actions(new PipelineShape(2, 2, 4), 0));
    }
}
