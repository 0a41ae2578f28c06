package org.finetune4j.peft.prompt;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.promptlearning.PromptInitialization;
import org.finetune4j.peft.promptlearning.PromptInitialization.Kind;
import org.finetune4j.peft.promptlearning.PromptKeys;
import org.finetune4j.peft.promptlearning.PromptKeys.Sizes;
import org.jspecify.annotations.Nullable;

/**
 * The settings of multi-task prompt tuning, with PEFT's names.
 *
 * @param virtualTokens length of the prompt
 * @param tasks how many tasks have factors of their own
 * @param ranks rank of a task's factors
 * @param initialization what the shared prompt starts from
 * @param source the prompt of other tasks that it starts from, or null
 * @param madeFor the base model of a stored adapter
 */
public record MultitaskPromptTuningConfig(
        int virtualTokens,
        int tasks,
        int ranks,
        PromptInitialization initialization,
        @Nullable SourcePrompt source,
        Sizes madeFor) {

    static final String PEFT_TYPE = "MULTITASK_PROMPT_TUNING";

    private static final String TASKS = "num_tasks";
    private static final String RANKS = "num_ranks";
    private static final String INIT = "prompt_tuning_init";
    private static final String SOURCE = "prompt_tuning_init_state_dict_path";
    private static final String SOURCE_TASK = "prompt_tuning_init_task";
    private static final List<Kind> STARTS = List.of(Kind.RANDOM, Kind.TEXT, Kind.SAMPLE_VOCAB);

    /**
     * Checks the numbers.
     *
     * @param virtualTokens length of the prompt
     * @param tasks how many tasks have factors of their own
     * @param ranks rank of a task's factors
     * @param initialization what the shared prompt starts from
     * @param source the prompt of other tasks that it starts from, or null
     * @param madeFor the base model of a stored adapter
     * @throws IllegalArgumentException when a number is not positive
     * @throws UserErrorException when several tasks are to start from a source whose factors are for one
     */
    public MultitaskPromptTuningConfig {
        if (virtualTokens < 1 || tasks < 1 || ranks < 1) {
            throw new IllegalArgumentException("virtualTokens, tasks and ranks must be positive");
        }
        if (source != null && source.part() != SourcePrompt.Part.ONLY_SOURCE_SHARED && tasks > 1) {
            throw new UserErrorException("'" + TASKS + "' is " + tasks + ": " + source.part()
                    + " starts one new task from those of another adapter; set it to 1, or " + INIT
                    + " to ONLY_SOURCE_SHARED");
        }
    }

    /**
     * {@return a prompt for so many tasks, with factors of rank 1}
     *
     * @param virtualTokens at least 1
     * @param tasks at least 1
     */
    public static MultitaskPromptTuningConfig of(int virtualTokens, int tasks) {
        return new MultitaskPromptTuningConfig(
                virtualTokens, tasks, 1, PromptInitialization.random(), null, Sizes.unknown());
    }

    /**
     * {@return the same with factors of another rank}
     *
     * @param number at least 1
     */
    public MultitaskPromptTuningConfig withRanks(int number) {
        return new MultitaskPromptTuningConfig(virtualTokens, tasks, number, initialization, source, madeFor);
    }

    /**
     * {@return the same with another start of what tasks share}
     *
     * @param other what the prompt starts from
     */
    public MultitaskPromptTuningConfig startingFrom(PromptInitialization other) {
        return new MultitaskPromptTuningConfig(virtualTokens, tasks, ranks, other, null, madeFor);
    }

    /**
     * {@return the same, starting from the prompt of other tasks}
     *
     * @param other an adapter of this method
     */
    public MultitaskPromptTuningConfig startingFrom(SourcePrompt other) {
        return new MultitaskPromptTuningConfig(virtualTokens, tasks, ranks, initialization, other, madeFor);
    }

    static MultitaskPromptTuningConfig from(Settings settings, boolean fromFile) {
        PromptKeys.refuseOthers(
                settings,
                PEFT_TYPE,
                List.of(TASKS, RANKS, SOURCE, SOURCE_TASK, "tokenizer_name_or_path", "tokenizer_kwargs"));
        SourcePrompt source = fromFile ? null : source(settings);
        return new MultitaskPromptTuningConfig(
                PromptKeys.virtualTokens(settings),
                settings.integer(TASKS, 1, 1, 100_000),
                settings.integer(RANKS, 1, 1, Settings.LARGEST_SIZE),
                fromFile || source != null
                        ? PromptInitialization.random()
                        : PromptInitialization.from(settings, STARTS, Kind.RANDOM),
                source,
                fromFile ? Sizes.from(settings) : Sizes.unknown());
    }

    private static @Nullable SourcePrompt source(Settings settings) {
        String name = settings.text(INIT).orElse("").toUpperCase(Locale.ROOT);
        String file = settings.text(SOURCE).orElse(null);
        int task = settings.integer(SOURCE_TASK, 0, 0, 100_000);
        for (SourcePrompt.Part part : SourcePrompt.Part.values()) {
            if (part.name().equals(name)) {
                if (file == null) {
                    throw new UserErrorException(settings.origin() + ": '" + SOURCE + "' is missing: " + INIT + " "
                            + name + " starts from another adapter's adapter_model.safetensors");
                }
                return new SourcePrompt(Path.of(file), part, task);
            }
        }
        if (file != null) {
            List<String> parts = List.of("AVERAGE_SOURCE_TASKS", "EXACT_SOURCE_TASK", "ONLY_SOURCE_SHARED");
            throw new UserErrorException(settings.origin() + ": '" + INIT + "' is "
                    + (name.isEmpty() ? "not there" : name) + ", expected one of " + String.join(", ", parts)
                    + ", since there is " + SOURCE + Suggestions.didYouMean(name, parts));
        }
        return null;
    }

    /**
     * A start from another adapter is not written: its numbers are in the file, and PEFT would look for the other adapter.
     *
     * @param stored whether the file that was read says what the prompt started from
     */
    Map<String, @Nullable Object> toJson(CausalLM model, boolean stored) {
        Map<String, @Nullable Object> json =
                PromptKeys.toJson(PEFT_TYPE, virtualTokens, PromptKeys.ofEmbeddings(model));
        json.put(TASKS, tasks);
        json.put(RANKS, ranks);
        if (!stored) {
            boolean text = initialization.kind() == Kind.TEXT;
            json.put(INIT, text ? Kind.TEXT.name() : Kind.RANDOM.name());
            json.put("prompt_tuning_init_text", initialization.text());
            // PEFT asks for a tokenizer where there is a text.
            json.put("tokenizer_name_or_path", text ? model.nameOrPath() : null);
        }
        return json;
    }
}
