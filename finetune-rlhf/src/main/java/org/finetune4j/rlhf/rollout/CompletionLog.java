package org.finetune4j.rlhf.rollout;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.jspecify.annotations.Nullable;

/** Some answers of every round, for people: {@code completions.jsonl} in the output directory. */
final class CompletionLog {

    private static final String FILE = "completions.jsonl";

    /** Lines that are kept: those in the middle of a long run go. */
    private static final int MOST_LINES = 2000;

    /** Fewer than a file may have that is read as a whole, which a run that goes on does. */
    private static final long MOST_CHARACTERS = 1 << 23;

    private final @Nullable Path file;
    private final int perRound;
    private final List<String> lines = new ArrayList<>();

    private CompletionLog(@Nullable Path file, int perRound) {
        this.file = file;
        this.perRound = perRound;
    }

    /** @param directory null to keep none */
    static CompletionLog in(@Nullable Path directory, int perRound) {
        return new CompletionLog(directory == null || perRound == 0 ? null : directory.resolve(FILE), perRound);
    }

    void add(long round, List<Episode> episodes, double[] scores) {
        if (file == null) {
            return;
        }
        for (int i = 0; i < Math.min(perRound, episodes.size()); i++) {
            Episode episode = episodes.get(i);
            lines.add(Json.write(Json.object()
                    .put("round", round)
                    .put("prompt", episode.prompt().text())
                    .put("completion", episode.text())
                    .put("reward", scores[i])
                    .put("ended", episode.ended())));
        }
        long characters = lines.stream().mapToLong(String::length).sum();
        while (lines.size() > 1 && (lines.size() > MOST_LINES || characters > MOST_CHARACTERS)) {
            characters -= lines.remove(lines.size() / 2).length();
        }
        AtomicFiles.writeString(file, String.join("\n", lines) + "\n");
    }

    /** Goes on after a checkpoint: what a run that was killed wrote after it comes again. */
    void keepBefore(long round) {
        if (file == null || !Files.exists(file)) {
            return;
        }
        lines.clear();
        for (String line : InputFiles.text(file).lines().toList()) {
            JsonNode entry = Json.parse(line, file);
            if (entry.path("round").asLong(Long.MAX_VALUE) < round) {
                lines.add(line);
            }
        }
    }
}
