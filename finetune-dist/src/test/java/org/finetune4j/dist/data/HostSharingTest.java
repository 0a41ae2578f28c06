package org.finetune4j.dist.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TextDataset;
import org.finetune4j.data.TextOptions;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.InstructionDataset;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.supervised.PromptTemplate;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.junit.jupiter.api.Test;

/** What several ranks read is made once, and all of them have the same. */
class HostSharingTest {

    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int RANKS = 3;

    private static int[][] piece(int index) {
        return new int[][] {{index, -index}, {}, IntStream.range(0, index % 7).toArray()};
    }

    @Test
    void everyPieceIsMadeOnceInWhateverOrderRanksAskForIt() {
        int count = 500;
        AtomicInteger made = new AtomicInteger();
        LocalRanks.run(RANKS, PATIENCE, world -> {
            try (HostSharing sharing = new HostSharing(world)) {
                IntFunction<int[][]> pieces = sharing.once(count, index -> {
                    made.incrementAndGet();
                    return piece(index);
                });
                List<Integer> order =
                        new ArrayList<>(IntStream.range(0, count).boxed().toList());
                Collections.rotate(order, world.rank() * 100);
                order.parallelStream().forEach(index -> assertArrayEquals(piece(index), pieces.apply(index)));
                world.barrier();
            }
        });
        assertEquals(count, made.get());
    }

    @Test
    void whatCannotBeMadeIsTheSameMistakeOnEveryRank() {
        LocalRanks.run(RANKS, PATIENCE, world -> {
            try (HostSharing sharing = new HostSharing(world)) {
                IntFunction<int[][]> pieces = sharing.once(2, index -> {
                    throw new UserErrorException("record " + index);
                });
                assertEquals(
                        "record 1",
                        assertThrows(UserErrorException.class, () -> pieces.apply(1))
                                .getMessage());
                world.barrier();
            }
        });
    }

    @Test
    void recordsAreTokenisedOnceAndGiveTheSamplesOfOneProcess() {
        InstructionDataset records = InstructionDataset.of(IntStream.range(0, 40)
                .mapToObj(i -> new Instruction("Where does Tom " + i + " live?", "", "In Oslo."))
                .toList());
        AtomicInteger prompts = new AtomicInteger();
        PromptTemplate counted = record -> {
            prompts.incrementAndGet();
            return record.instruction() + " ";
        };
        SupervisedOptions options = SupervisedOptions.builder()
                .promptTemplate(counted)
                .maxLength(64)
                .build();
        try (Tokenizer tokenizer = TestTokenizers.llama2()) {
            List<Sample> expected = samples(SupervisedSamples.of(records, tokenizer, options));
            prompts.set(0);
            LocalRanks.run(RANKS, PATIENCE, world -> {
                try (HostSharing sharing = new HostSharing(world)) {
                    SupervisedOptions shared = SupervisedOptions.builder()
                            .promptTemplate(counted)
                            .maxLength(64)
                            .sharing(sharing)
                            .build();
                    assertEquals(expected, samples(SupervisedSamples.of(records, tokenizer, shared)));
                    assertEquals(expected, samples(SupervisedSamples.of(records, tokenizer, options)));
                    world.barrier();
                }
            });
        }
        assertEquals(40 + RANKS * 41, prompts.get(), "once for all, and once by each rank that shares nothing");
    }

    @Test
    void plainTextIsTheSameBlocks() {
        List<String> documents = List.of("Tom lives in Oslo.", "He has a dog.", "They eat soup.");
        try (Tokenizer tokenizer = TestTokenizers.llama2()) {
            List<Sample> expected = samples(TextDataset.of(
                    documents, tokenizer, TextOptions.builder().blockSize(5).build()));
            LocalRanks.run(RANKS, PATIENCE, world -> {
                try (HostSharing sharing = new HostSharing(world)) {
                    TextOptions shared =
                            TextOptions.builder().blockSize(5).sharing(sharing).build();
                    assertEquals(expected, samples(TextDataset.of(documents, tokenizer, shared)));
                    world.barrier();
                }
            });
        }
    }

    private static List<Sample> samples(TrainingDataset dataset) {
        return IntStream.range(0, dataset.size()).mapToObj(dataset::get).toList();
    }
}
