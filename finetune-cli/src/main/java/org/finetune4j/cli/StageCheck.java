package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.train.memory.ProcessMemory;
import org.jspecify.annotations.Nullable;

/**
 * What can be known of the later stages of a row before the first one has trained: whether their settings and records fit the first one's
 * model, whose layers the models that they will go on from have too. So that nothing is refused after hours of training that could be
 * refused before.
 */
final class StageCheck {

    private static final String REWARD_MODEL = "reward_model_path";
    private static final String REWARDS = "reward_funcs";

    private StageCheck() {}

    /**
     * What keeps a later stage from training.
     *
     * @param row all stages
     * @param stage one that comes after the first
     * @return one line each; empty where there is nothing, or nothing can be known yet
     */
    static List<String> problems(PipelineSettings row, PipelineStage stage) {
        List<String> problems = new ArrayList<>();
        try {
            Path standIn = row.stages().get(0).training().model();
            // What becomes of a quantised checkpoint is not: it can do more.
            boolean isAlike = !ModelConfig.load(standIn).has(ModelConfig.QUANTIZATION);
            if (isAlike) {
                TrainingSettings training = withRewards(row, stage);
                TrainingRecords records = training.data().records();
                try (CausalLM model = training.load(standIn, records)) {
                    TrainingData data = training.data().load(model, records);
                    problems.addAll(training.tuner(model, data, ProcessMemory.afterStart())
                            .preflight()
                            .findings()
                            .errors());
                }
            }
        } catch (UserErrorException e) {
            problems.add(e.getMessage());
        }
        return problems.stream().map(problem -> named(stage, problem)).toList();
    }

    /** A stage's settings, with another reward in the place of a model that a stage before it is still to train. */
    private static TrainingSettings withRewards(PipelineSettings row, PipelineStage stage) {
        Optional<Path> rewardModel = stage.settings().text(REWARD_MODEL).map(Path::of);
        boolean isThere = row.stages().stream()
                .noneMatch(
                        other -> rewardModel.equals(Optional.of(other.training().outputDirectory())));
        if (isThere) {
            return stage.training();
        }
        Map<String, @Nullable Object> values =
                new LinkedHashMap<>(stage.settings().asMap());
        values.remove(REWARD_MODEL);
        List<Object> rewards = new ArrayList<>();
        Object named = values.get(REWARDS);
        if (named instanceof Collection<?> several) {
            rewards.addAll(several);
        } else if (named != null) {
            rewards.add(named);
        }
        rewards.add("json_format"); // needs nothing
        values.put(REWARDS, rewards);
        return TrainingSettings.read(
                new Settings(stage.settings().origin(), values, stage.settings().written()));
    }

    private static String named(PipelineStage stage, String problem) {
        String name = "stage " + stage.name();
        return problem.contains(name) ? problem : name + ": " + problem;
    }

    /**
     * Refuses a row one of whose later stages cannot train.
     *
     * @param row all stages
     * @throws UserErrorException for the first thing that is wrong, with the number of others
     */
    static void require(PipelineSettings row) {
        List<String> problems = new ArrayList<>();
        for (PipelineStage stage : row.stages().subList(1, row.stages().size())) {
            problems.addAll(problems(row, stage));
        }
        if (!problems.isEmpty()) {
            String more = problems.size() == 1
                    ? ""
                    : " (and " + (problems.size() - 1) + " more: ./finetune validate shows them all)";
            throw new UserErrorException(problems.get(0) + more);
        }
    }
}
