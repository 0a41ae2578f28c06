package org.finetune4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.grammar.AnswerGrammar;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How to continue a text. What is not given is left to the model's generation_config.json. */
final class GenerationSettings {

    @Option(names = "--max-new-tokens", paramLabel = "N", description = "Longest continuation (default: 128).")
    private @Nullable Integer maxNewTokens;

    @Option(names = "--min-new-tokens", paramLabel = "N", description = "No end before this many tokens.")
    private @Nullable Integer minNewTokens;

    @Option(names = "--temperature", paramLabel = "T", description = "Above 0: draw tokens; 0: greedy (default).")
    private @Nullable Double temperature;

    @Option(names = "--top-k", paramLabel = "K", description = "Draw from the K likeliest; 0: all.")
    private @Nullable Integer topK;

    @Option(names = "--top-p", paramLabel = "P", description = "Draw from the likeliest that together reach P.")
    private @Nullable Double topP;

    @Option(
            names = "--min-p",
            paramLabel = "P",
            description = "Draw from those at least P times as likely as the first.")
    private @Nullable Double minP;

    @Option(names = "--typical-p", paramLabel = "P", description = "Draw from the most typical that together reach P.")
    private @Nullable Double typicalP;

    @Option(
            names = "--repetition-penalty",
            paramLabel = "X",
            description = "Above 1: tokens that are there already become less likely.")
    private @Nullable Double repetitionPenalty;

    @Option(
            names = "--no-repeat-ngram-size",
            paramLabel = "N",
            description = "Runs of N tokens occur once only; 0: no such rule.")
    private @Nullable Integer noRepeatNgramSize;

    @Option(names = "--num-beams", paramLabel = "N", description = "Beam search with N beams.")
    private @Nullable Integer numBeams;

    @Option(names = "--length-penalty", paramLabel = "X", description = "Beam search: above 0 favours longer texts.")
    private @Nullable Double lengthPenalty;

    @Option(names = "--num-return-sequences", paramLabel = "N", description = "Continuations of each prompt.")
    private @Nullable Integer numReturnSequences;

    @Option(names = "--stop", paramLabel = "TEXT", description = "Ends the text, and is not part of it; repeatable.")
    private @Nullable List<String> stop;

    @Option(
            names = "--logprobs",
            paramLabel = "N",
            description = "With --json: log-probabilities of each token and the N likeliest in its place.")
    private @Nullable Integer logprobs;

    @Option(
            names = "--task-id",
            paramLabel = "N",
            description = "The task, from 0, of an adapter that has prompts for several.")
    private @Nullable Integer taskId;

    @Option(
            names = "--json-object",
            description = "The continuation is a JSON object: tokens that it cannot go on with are not chosen.")
    private boolean jsonObject;

    @Option(
            names = "--json-schema",
            paramLabel = "FILE",
            description = "The continuation is JSON of the JSON Schema in a file.")
    private @Nullable Path jsonSchema;

    @Option(names = "--seed", paramLabel = "N", description = "Decides what is drawn (default: 42).")
    private @Nullable Long seed;

    boolean hasLogprobs() {
        return logprobs != null;
    }

    GenerationOptions options() {
        GenerationOptions.Builder builder = GenerationOptions.builder();
        given(maxNewTokens, builder::maxNewTokens);
        given(minNewTokens, builder::minNewTokens);
        given(temperature, builder::temperature);
        given(topK, builder::topK);
        given(topP, builder::topP);
        given(minP, builder::minP);
        given(typicalP, builder::typicalP);
        given(repetitionPenalty, builder::repetitionPenalty);
        given(noRepeatNgramSize, builder::noRepeatNgramSize);
        given(numBeams, builder::numBeams);
        given(lengthPenalty, builder::lengthPenalty);
        given(numReturnSequences, builder::numReturnSequences);
        given(stop, builder::stopStrings);
        given(logprobs, builder::logprobs);
        given(taskId, builder::taskId);
        given(seed, builder::seed);
        given(grammar(), builder::grammar);
        try {
            return builder.build();
        } catch (IllegalArgumentException e) {
            throw new UserErrorException(String.valueOf(e.getMessage()), e);
        }
    }

    private @Nullable AnswerGrammar grammar() {
        if (jsonSchema == null) {
            return jsonObject ? AnswerGrammar.json() : null;
        }
        if (jsonObject) {
            throw new UserErrorException("--json-object and --json-schema are two forms: give one of them");
        }
        JsonNode schema = InputFiles.json(jsonSchema);
        try {
            return AnswerGrammar.jsonSchema(schema);
        } catch (UserErrorException e) {
            throw new UserErrorException(jsonSchema + ": " + e.getMessage(), e);
        }
    }

    private static <T> void given(@Nullable T value, Consumer<T> sink) {
        if (value != null) {
            sink.accept(value);
        }
    }
}
