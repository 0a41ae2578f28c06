package org.finetune4j.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * {@code trainer_state.json} of a checkpoint: how far its run had come, and what run that is.
 *
 * @param progress of the run
 * @param source the values that the source of its steps keeps
 * @param fingerprint see {@link RunFingerprint}
 */
record TrainerStateFile(TrainingProgress progress, ObjectNode source, String fingerprint) {

    static final String NAME = "trainer_state.json";

    private static final String SOURCE = "steps";

    void write(Path directory) throws IOException {
        ObjectNode json = Json.object();
        json.put("global_step", progress.step());
        json.put("last_loss", progress.lastLoss());
        json.put("best_eval_loss", progress.bestEvaluationLoss());
        BestEvaluation best = progress.best();
        json.set("best", best == null ? null : best.toJson());
        json.put("evaluations_since_best", progress.evaluationsSinceBest());
        json.set(SOURCE, source);
        json.put("fingerprint", fingerprint);
        Files.writeString(directory.resolve(NAME), Json.writePretty(json) + "\n");
    }

    /** @throws UserErrorException when the file is missing, is not JSON, or lacks a key */
    static TrainerStateFile read(Path directory) {
        Path file = directory.resolve(NAME);
        ObjectNode json = InputFiles.jsonObject(file);
        JsonNode best = json.path("best");
        if (!best.isNull() && BestEvaluation.of(best) == null) {
            throw new UserErrorException(file + ": 'best' is " + best + ", expected an evaluation or null");
        }
        TrainingProgress progress = new TrainingProgress(
                natural(file, json, "global_step"),
                number(file, json, "last_loss"),
                number(file, json, "best_eval_loss"),
                BestEvaluation.of(best),
                (int) natural(file, json, "evaluations_since_best"));
        // Where there is none, the place in a dataset stands in the file itself: so the first versions wrote it.
        ObjectNode source = json.path(SOURCE) instanceof ObjectNode own ? own : json;
        return new TrainerStateFile(progress, source, json.path("fingerprint").asText());
    }

    private static long natural(Path file, ObjectNode json, String key) {
        JsonNode value = json.path(key);
        long limit = key.equals("global_step") ? Long.MAX_VALUE : Integer.MAX_VALUE;
        if (!value.isIntegralNumber()
                || !value.canConvertToLong()
                || value.longValue() < 0
                || value.longValue() > limit) {
            throw new UserErrorException(file + ": '" + key + "' is " + value + ", expected a number of at least 0");
        }
        return value.longValue();
    }

    private static @Nullable Double number(Path file, ObjectNode json, String key) {
        JsonNode value = json.path(key);
        if (!value.isNumber() && !value.isNull()) {
            throw new UserErrorException(file + ": '" + key + "' is " + value + ", expected a number or null");
        }
        return value.isNull() ? null : value.doubleValue();
    }
}
