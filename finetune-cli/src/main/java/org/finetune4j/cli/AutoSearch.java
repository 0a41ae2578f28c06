package org.finetune4j.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.auto.AutoPeft;
import org.finetune4j.peft.auto.Candidate;
import org.finetune4j.peft.auto.SearchResult;
import org.finetune4j.peft.auto.Trial;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.RunDirectory;
import org.finetune4j.train.memory.ProcessMemory;
import org.jspecify.annotations.Nullable;

/** Runs a search for a method on the model and the records that a configuration names. */
final class AutoSearch {

    private static final String JOURNAL = "auto.json";

    private final AutoSettings settings;

    AutoSearch(AutoSettings settings) {
        this.settings = settings;
    }

    /**
     * Searches, or goes on with a search that was stopped or killed.
     *
     * @return what it found; empty when it was asked to stop before its end
     * @throws org.finetune4j.UserErrorException when nothing can be trained, or the directory is another training's
     */
    Optional<SearchResult> run() {
        TrainingSettings plain = settings.plain();
        Path output = settings.outputDirectory();
        if (!Files.exists(output.resolve(JOURNAL))) {
            RunDirectory.check(plain.arguments());
        }
        OutputDirectory.check(output);
        Path directory = plain.model();
        long process = ProcessMemory.afterStart();
        TrainingRecords records = plain.data().records();
        try (CausalLM model = plain.load(directory, records)) {
            settings.requireTargets(model);
            TrainingData data = plain.data().load(model, records);
            data.notes().forEach(note -> System.err.println("data: " + note));
            AutoPeft search = new AutoPeft(settings.plan(), output, trial -> tuner(trial, model, data, process))
                    .identity(settings.identity())
                    .messages(line -> System.err.println("auto: " + line))
                    .completion(result -> plain.data().stage().save(result, output));
            try (InterruptGuard guard = new InterruptGuard(search::requestStop)) {
                return search.run();
            }
        }
    }

    private FineTuner tuner(Trial trial, CausalLM model, TrainingData data, long process) {
        return settings.training(trial).tuner(model, data, process).messages(line -> {});
    }

    /** What was found, for programs. */
    static Map<String, @Nullable Object> values(Path output, SearchResult found) {
        Candidate winner = found.winner().candidate();
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        values.put("output", output.toString());
        values.put("report", output.resolve("auto.html").toString());
        values.put("winner", winner.name());
        values.put("settings", winner.settings());
        values.put("held_out_loss", found.winner().loss().orElseThrow());
        values.put("steps", found.winner().steps());
        values.put("trainable_parameters", found.winner().trainable());
        values.put("candidates", found.standings().size());
        values.put(
                "rungs",
                found.rungs().stream()
                        .map(rung -> List.of(rung.candidates(), rung.steps()))
                        .toList());
        return values;
    }
}
