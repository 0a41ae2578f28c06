package org.finetune4j.peft.continual;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.Journal;

/**
 * How far a row of tasks has come and what was measured, {@value #NAME} in its directory. It is replaced as a whole after every
 * task.
 */
final class ContinualJournal {

    static final String NAME = "continual.json";

    private final Path file;
    private final Map<String, String> identity;
    private ScoreMatrix matrix;

    private ContinualJournal(Path file, Map<String, String> identity, ScoreMatrix matrix) {
        this.file = file;
        this.identity = identity;
        this.matrix = matrix;
    }

    /**
     * Reads the journal of a directory; a new one has no scores.
     *
     * @param identity what must be the same for the row to go on
     * @param empty metric and tasks, without rows
     * @throws UserErrorException when the file is no journal, or one of another row
     */
    static ContinualJournal open(Path directory, Map<String, String> identity, ScoreMatrix empty) {
        ContinualJournal journal = new ContinualJournal(directory.resolve(NAME), identity, empty);
        if (Files.exists(journal.file)) {
            journal.read(Journal.read(journal.file, identity, "row of tasks"));
        }
        return journal;
    }

    private void read(ObjectNode root) {
        List<List<Double>> rows = new ArrayList<>();
        for (JsonNode row : root.path("scores")) {
            List<Double> scores = new ArrayList<>();
            row.forEach(score -> {
                if (!score.isNumber()) {
                    throw new UserErrorException(file + ": 'scores' has " + score + ", expected numbers");
                }
                scores.add(score.asDouble());
            });
            rows.add(scores);
        }
        try {
            matrix = new ScoreMatrix(matrix.metric(), matrix.lowerIsBetter(), matrix.tasks(), rows);
        } catch (IllegalArgumentException e) {
            throw new UserErrorException(file + ": " + e.getMessage() + ": move it away", e);
        }
    }

    ScoreMatrix matrix() {
        return matrix;
    }

    void add(List<Double> row) {
        matrix = matrix.with(row);
        Map<String, Object> root = Journal.head(identity);
        root.put("complete", matrix.isComplete());
        root.put("metric", matrix.metric());
        root.put("tasks", matrix.tasks());
        root.put("scores", matrix.rows());
        if (matrix.isComplete()) {
            root.put("average", matrix.average());
            root.put("forgetting", matrix.forgetting());
            root.put("backward_transfer", matrix.backwardTransfer());
        }
        AtomicFiles.writeString(file, Json.writePretty(root));
    }
}
