package org.finetune4j.cli;

import static org.finetune4j.cli.CommandRun.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.rlhf.rewards.RewardFunction;
import org.finetune4j.rlhf.rewards.RewardRequest;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Stages that train a policy by rewards: a configuration is enough, and mistakes in it are one line. */
@Tag("slow")
class PolicyStageTest {

    /** Scores the first answers, and then none. */
    public static final class NoNumber implements RewardFunction {

        private int asked;

        @Override
        public double score(RewardRequest request) {
            return asked++ < 10 ? request.completion().length() : Double.NaN;
        }
    }

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void prepare() {
        files = new TrainingFiles(directory);
        StringBuilder prompts = new StringBuilder();
        for (int i = 0; i < 12; i++) {
            prompts.append("{\"prompt\": \"What comes after ")
                    .append(i)
                    .append("?\", \"next\": \"")
                    .append(i + 1)
                    .append("\"}\n");
        }
        TrainingFiles.write(files.data, prompts.toString());
    }

    private CommandRun train(String stage, String... more) {
        List<String> keys = new ArrayList<>(List.of(
                "stage=" + stage,
                "max_completion_length=6",
                "per_device_train_batch_size=8",
                "max_steps=2",
                "eval_fraction=0.25",
                "report_to=html",
                "logging_steps=1",
                "learning_rate=1e-3"));
        keys.addAll(List.of(more));
        return files.train(keys.toArray(String[]::new));
    }

    @ParameterizedTest
    @ValueSource(strings = {"ppo", "grpo", "rloo", "reinforce_plus_plus", "online_dpo", "rft"})
    void everyStageTrainsAnAdapter(String stage) throws IOException {
        CommandRun run = train(
                stage,
                "reward_funcs=[{type: length, max: 10}, {type: exact_match, column: next}]",
                "reward_weights=[1, 2]");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(Files.exists(files.output.resolve("adapter_model.safetensors")), run.toString());
        String metrics = Files.readString(files.output.resolve("metrics.jsonl"));
        assertTrue(metrics.contains("\"rewards/length\"") && metrics.contains("\"completions/ended\""), metrics);
        assertTrue(Files.readString(files.output.resolve("completions.jsonl")).contains("What comes after"));

        if (stage.equals("ppo")) {
            CommandRun eval = CommandRun.of(
                    "eval",
                    "--model",
                    files.model.toString(),
                    "--adapter",
                    files.output.toString(),
                    "--config",
                    files.config.toString(),
                    "--json",
                    "--",
                    "stage=ppo",
                    "reward_funcs=[{type: length, max: 10}]",
                    "response_length=4",
                    "eval_fraction=0.25");
            assertEquals(0, eval.exitCode(), eval.toString());
            assertTrue(eval.out().get(0).contains("\"rewards/length\""), eval.toString());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "grpo | reward_funcs=[] | nothing scores the answers",
                "grpo | reward_funcs=[exact_mach] | did you mean 'exact_match'",
                "grpo | reward_funcs=[exact_match] | reward 'exact_match' needs the column 'answer'",
                "grpo | reward_funcs=[{type: http, url: http://localhost:1/score, tries: 1}] | cannot be reached",
                "grpo | reward_model_path=/no/such/directory | there is no directory /no/such/directory",
                "grpo | num_generations=3 | that must be a multiple of it",
                "grpo | loss_type=grop | expected grpo, bnpo, dr_grpo, dapo",
                "grpo | kl_coef=0.1 | belongs to stage ppo",
                "grpo | max_completion_length=100000 | max_completion_length is 100000, but the model sees",
                "ppo | value_adapter=true method=full | value_adapter needs a method that makes an adapter",
                "rft | num_generations=1 | expected at least 2",
                "grpo | num_generations=1 | expected at least 2",
                "rloo | num_generations=1 | expected at least 2"
            })
    void mistakesAreOneLine(String stage, String keys, String message) {
        List<String> more = new ArrayList<>();
        if (!keys.startsWith("reward_")) {
            more.add("reward_funcs=[{type: length, max: 10}]");
        }
        if (keys.contains("method=full")) {
            more.addAll(List.of(keys.split(" ")));
            TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
        } else {
            more.add(keys);
        }
        assertRefused(train(stage, more.toArray(String[]::new)), message);
    }

    @Test
    void aRewardThatIsNoNumberEndsTheTrainingWithACheckpoint() {
        CommandRun run =
                train("grpo", "reward_funcs=[" + NoNumber.class.getName() + "]", "max_steps=4", "eval_fraction=0");
        assertRefused(run, "reward 'NoNumber' gave NaN for the answer");
        assertTrue(Files.isDirectory(files.output.resolve("checkpoint-1")), run.toString());
    }
}
