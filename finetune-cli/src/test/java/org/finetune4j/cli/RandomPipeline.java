package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Several trainings in a row that nobody wrote: a tiny model, each stage's records, and a configuration with a checkpoint after every step.
 *
 * @param config the YAML
 * @param settings what is in it
 * @param stages in their order
 * @param interrupted number of the stage that is interrupted, from 0
 */
record RandomPipeline(Path config, Map<String, Object> settings, List<String> stages, int interrupted) {

    private static final List<String> FIRST = List.of("sft", "sft", "sft", "distill", "rm", "dpo");
    private static final List<String> LATER = List.of(
            "rm", "rm", "dpo", "ppo", "ppo", "grpo", "orpo", "kto", "simpo", "cpo", "rloo", "online_dpo", "rft", "sft");

    /** Keys that are said once for all stages now and then. */
    private static final List<String> COMMON = List.of("max_length", "learning_rate", "seed", "report_to");

    /** Draws a configuration and writes its files. */
    static RandomPipeline draw(long seed, Path directory) {
        Draw draw = new Draw(seed);
        RandomModel model = RandomModel.decoder(draw, directory.resolve("model"));
        List<String> stages = new ArrayList<>(List.of(draw.from(FIRST)));
        int count = draw.between(2, 3);
        while (stages.size() < count) {
            String next = draw.from(LATER);
            if (!stages.contains(next)) {
                stages.add(next);
            }
        }
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("stages", stages);
        keys.put("model_name_or_path", directory.resolve("model").toString());
        keys.putAll(RandomMethod.draw(draw, model, draw.chance(0.5)));
        for (String stage : stages) {
            Map<String, Object> own = new LinkedHashMap<>();
            if (draw.chance(0.2)) {
                own.put("method", draw.of("full", "lora", "ia3"));
            }
            Path at = directory.resolve(stage);
            at.toFile().mkdirs();
            RandomFeedback.stage(draw, stage, model, at, own);
            for (String key : COMMON) {
                if (own.containsKey(key) && draw.chance(0.3)) {
                    keys.put(key, own.remove(key));
                }
            }
            keys.put(stage, own);
        }
        Path config = directory.resolve("config.yaml");
        RandomPipeline pipeline = new RandomPipeline(config, keys, stages, draw.between(0, count - 1));
        TrainingFiles.write(config, pipeline.yaml());
        return pipeline;
    }

    /** {@return the configuration, every value as JSON, which is YAML} */
    String yaml() {
        return TrainingFiles.yaml(settings);
    }

    /** {@return the stages and the method in one line} */
    String what() {
        return String.join(", ", stages) + " with " + settings.get("method");
    }

    /** Runs {@code validate} or {@code train}. */
    CommandRun run(String command, Path output) {
        return RanksComparison.run(List.of(command, config.toString(), "output_dir=" + output));
    }
}
