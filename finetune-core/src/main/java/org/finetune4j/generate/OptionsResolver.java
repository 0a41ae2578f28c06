package org.finetune4j.generate;

import java.util.Objects;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.jspecify.annotations.Nullable;

/** Fills in what options leave open, from the model's {@code generation_config.json}, and checks them against the model. */
final class OptionsResolver {

    private final CausalLM model;
    private final GenerationConfigFile config;

    /** @throws UserErrorException when the model is none that generates */
    OptionsResolver(CausalLM model) {
        this.model = Objects.requireNonNull(model, "model");
        if (model.network().pooling() != null) {
            throw new UserErrorException(
                    model.config().architecture() + " classifies sequences: it has no next token to generate");
        }
        this.config = GenerationConfigFile.of(model);
    }

    CausalLM model() {
        return model;
    }

    /** What ends a text unless options name other tokens. */
    Set<Integer> stopTokens() {
        return config.stopTokens();
    }

    /**
     * The options with what they leave open filled in.
     *
     * @throws UserErrorException when they do not go together, or prompt and new tokens do not fit the model
     */
    GenerationOptions complete(GenerationOptions options, int promptLength) {
        if (promptLength == 0) {
            throw new UserErrorException("the prompt is empty: generation needs at least one token to start from");
        }
        GenerationOptions complete = config.complete(options);
        checkBeams(complete);
        checkTask(complete.taskId());
        if (!complete.stopStrings().isEmpty() || complete.grammar() != null) {
            model.tokenizer();
        }
        int room = model.network().maxPositions() - model.virtualTokens() - promptLength + 1;
        if (options.explicit().contains("max_new_tokens")) {
            if (complete.maxNewTokens() > room) {
                throw new UserErrorException("the prompt has " + promptLength + " tokens and "
                        + complete.maxNewTokens() + " more are asked for, but the model sees no more than "
                        + model.network().maxPositions());
            }
            return complete;
        }
        int limit = Math.min(room, config.maxLength() - promptLength);
        if (limit < 1) {
            throw new UserErrorException("the prompt has " + promptLength + " tokens: there is no room for more, "
                    + "the model sees " + model.network().maxPositions() + " and max_length is "
                    + config.maxLength());
        }
        return complete.toBuilder()
                .maxNewTokens(Math.min(limit, complete.maxNewTokens()))
                .build();
    }

    private void checkTask(@Nullable Integer task) {
        int tasks = model.tasks();
        if (task == null ? tasks > 1 : task >= tasks) {
            throw new UserErrorException("task_id is " + (task == null ? "not there" : task) + ": "
                    + (tasks > 1
                            ? "the adapter has virtual tokens for the tasks 0 to " + (tasks - 1)
                            : "there are no tasks to choose from but 0"));
        }
    }

    private void checkBeams(GenerationOptions options) {
        if (options.numBeams() == 1) {
            return;
        }
        long vocabulary = model.network().inputEmbedding().count();
        if (options.numBeams() > vocabulary) {
            throw new UserErrorException("num_beams " + options.numBeams() + " is more than the " + vocabulary
                    + " tokens that a text can go on with");
        }
        if (options.grammar() != null) {
            throw new UserErrorException("beam search with a grammar is not implemented: set num_beams to 1");
        }
        if (options.isSampling()) {
            throw new UserErrorException("beam search with sampling is not implemented: set temperature to 0, not "
                    + options.temperature() + ", or num_beams to 1");
        }
        if (options.numReturnSequences() > options.numBeams()) {
            throw new UserErrorException("num_return_sequences " + options.numReturnSequences()
                    + " is more than num_beams " + options.numBeams());
        }
    }
}
