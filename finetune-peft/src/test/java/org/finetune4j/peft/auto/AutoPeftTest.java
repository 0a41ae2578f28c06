package org.finetune4j.peft.auto;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A search on a tiny model: who wins, who leaves and why, and that one which is interrupted comes to the same. */
class AutoPeftTest {

    private static final Path LLAMA = PeftParityTest.BASES.resolve("llama");
    private static final int BUDGET = 20;

    @TempDir
    Path directory;

    private static Candidate candidate(String name, String method, double rate) {
        return new Candidate(name, Map.of("method", method, "learning_rate", rate));
    }

    private static final List<Candidate> CANDIDATES = List.of(
            candidate("slow", "lora", 1e-6),
            candidate("biases", "bitfit", 1e-3),
            candidate("good", "lora", 2e-2),
            candidate("wild", "lora", 3e38),
            candidate("scales", "ia3", 1e-3));

    /** @param stopAfter steps of all trials together after which it is asked to stop; a kill leaves less than that */
    private static Optional<SearchResult> search(Path output, long stopAfter, List<String> steps) {
        try (CausalLM model = CausalLM.load(LLAMA)) {
            AutoPeft[] search = new AutoPeft[1];
            long[] done = {0};
            search[0] = new AutoPeft(
                    new SearchPlan(CANDIDATES, SearchBudget.ofSteps(BUDGET), 2, 4), output, trial -> FineTuner.of(model)
                            .strategy(trial.candidate().strategy())
                            .dataset(new SyntheticSamples(8, 199, 3))
                            .evaluation(new SyntheticSamples(8, 199, 3))
                            .arguments(
                                    trial.arguments(TrainingArguments.builder().batchSize(4))
                                            .build())
                            .listener(new TrainingListener() {
                                @Override
                                public void onStep(StepMetrics metrics) {
                                    steps.add(trial.candidate().name() + " " + metrics.step());
                                    if (++done[0] == stopAfter) {
                                        search[0].requestStop();
                                    }
                                }
                            }));
            return search[0].identity(Map.of("budget", "20")).run();
        }
    }

    private static byte[] weights(Path output) throws IOException {
        return Files.readAllBytes(output.resolve("adapter_model.safetensors"));
    }

    @Test
    void theBestOneWinsAndEverybodyElseLeavesWithAReason() throws IOException {
        List<String> steps = new ArrayList<>();
        SearchResult found = search(directory, Long.MAX_VALUE, steps).orElseThrow();
        assertEquals("good", found.winner().candidate().name());
        Map<String, String> left = new LinkedHashMap<>();
        found.standings().forEach(one -> left.put(one.candidate().name(), String.valueOf(one.left())));
        assertTrue(left.get("biases").contains("cannot be used: this model has no bias"), left.toString());
        assertTrue(left.get("wild").startsWith("diverged: "), left.toString());
        assertTrue(left.get("scales").contains("held-out loss"), left.toString());
        assertEquals("null", left.get("good"));
        assertEquals(steps.size(), steps.stream().distinct().count(), "no step is done twice");
        assertTrue(steps.size() <= BUDGET, steps.toString());

        try (CausalLM model = CausalLM.load(LLAMA);
                Adapter adapter = AdapterFormat.load(model, directory, false)) {
            assertTrue(adapter.isEnabled());
        }
        String page = Files.readString(directory.resolve("auto.html"));
        assertTrue(page.contains("good") && page.contains("not beaten") && page.contains("diverged"), "a page");
        assertTrue(
                Json.parse(Files.readString(directory.resolve("auto.json")), "journal")
                        .path("complete")
                        .asBoolean(),
                "a journal");
        assertFalse(Files.exists(directory.resolve("trials")), "nothing else is left");
    }

    @Test
    void aSearchThatIsStoppedAgainAndAgainEndsInTheSameBytes() throws IOException {
        Path whole = directory.resolve("whole");
        search(whole, Long.MAX_VALUE, new ArrayList<>());
        Path parts = directory.resolve("parts");
        List<String> steps = new ArrayList<>();
        int runs = 0;
        while (search(parts, 2, steps).isEmpty()) {
            assertTrue(runs++ < 2 * BUDGET, "it comes to an end");
        }
        assertTrue(runs > 3, "it was stopped often");
        assertArrayEquals(weights(whole), weights(parts));
        assertEquals(steps.size(), steps.stream().distinct().count(), "no step is done twice");
    }

    @Test
    void aKillBetweenACheckpointAndTheJournalChangesNothing() throws IOException {
        Path whole = directory.resolve("whole");
        search(whole, Long.MAX_VALUE, new ArrayList<>());
        Path killed = directory.resolve("killed");
        assertTrue(search(killed, 6, new ArrayList<>()).isEmpty());
        // The journal is that of an earlier moment: what was scored since is scored again.
        Path journal = killed.resolve("auto.json");
        String before = Files.readString(journal);
        assertTrue(search(killed, 2, new ArrayList<>()).isEmpty());
        Files.writeString(journal, before);
        assertNotNull(search(killed, Long.MAX_VALUE, new ArrayList<>()).orElseThrow());
        assertArrayEquals(weights(whole), weights(killed));
    }

    @Test
    void aJournalOfAnotherSearchIsRefused() throws IOException {
        search(directory, 3, new ArrayList<>());
        Path journal = directory.resolve("auto.json");
        Files.writeString(journal, Files.readString(journal).replace("\"20\"", "\"21\""));
        UserErrorException refused =
                assertThrows(UserErrorException.class, () -> search(directory, Long.MAX_VALUE, new ArrayList<>()));
        assertTrue(refused.getMessage().contains("budget was 21, is 20"), refused.getMessage());
        Files.writeString(journal, "{\"format_version\": 1}");
        refused = assertThrows(UserErrorException.class, () -> search(directory, Long.MAX_VALUE, new ArrayList<>()));
        assertTrue(refused.getMessage().contains("auto.json"), refused.getMessage());
    }
}
