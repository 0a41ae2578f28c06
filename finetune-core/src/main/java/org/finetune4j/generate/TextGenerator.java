package org.finetune4j.generate;

import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.ObjIntConsumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatMessage;
import org.finetune4j.model.chat.ChatOptions;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.tensor.Autograd;
import org.jspecify.annotations.Nullable;

/**
 * Continues texts with a model: greedily, by sampling or by beam search, with a key-value cache. What the options leave
 * open is taken from the model's {@code generation_config.json}.
 *
 * <pre>{@code
 * TextGenerator.of(model).generate("Once upon a time", GenerationOptions.greedy(64), System.out::print);
 * }</pre>
 */
public final class TextGenerator {

    private final CausalLM model;
    private final GenerationConfigFile config;
    private final @Nullable RowAdapters rowAdapters;

    private TextGenerator(CausalLM model, GenerationConfigFile config, @Nullable RowAdapters rowAdapters) {
        this.model = model;
        this.config = config;
        this.rowAdapters = rowAdapters;
    }

    /**
     * A generator for a model.
     *
     * @param model stays the caller's
     * @return the generator, which several threads may use
     */
    public static TextGenerator of(CausalLM model) {
        return new TextGenerator(model, GenerationConfigFile.of(model), null);
    }

    /**
     * A generator whose prompts use adapters of their own.
     *
     * @param rows which adapter each prompt of a batch uses
     * @return the generator
     */
    public TextGenerator withRows(RowAdapters rows) {
        return new TextGenerator(model, config, rows);
    }

    /**
     * Continues a text; see {@link #generate(String, GenerationOptions, Consumer)}.
     *
     * @param prompt any text, special tokens spelt out
     * @return the continuation alone, without special tokens
     */
    public String generate(String prompt) {
        return generate(prompt, GenerationOptions.builder().build());
    }

    /**
     * Continues a text; see {@link #generate(String, GenerationOptions, Consumer)}.
     *
     * @param prompt any text, special tokens spelt out
     * @param options how to continue
     * @return the continuation alone, without special tokens
     */
    public String generate(String prompt, GenerationOptions options) {
        return generate(prompt, options, piece -> {});
    }

    /**
     * Continues a text. Beam search knows its best sequence only at the end: {@code onText} gets it in one piece.
     *
     * @param prompt any text, special tokens spelt out
     * @param options how to continue
     * @param onText is given every piece of text as soon as it is complete, never part of a stop string
     * @return the continuation alone, without special tokens
     * @throws UserErrorException when the model has no tokenizer, or prompt and new tokens do not fit its context
     */
    public String generate(String prompt, GenerationOptions options, Consumer<String> onText) {
        return complete(List.of(Objects.requireNonNull(prompt, "prompt")), options, (piece, sequence) -> {
                    if (sequence == 0) {
                        onText.accept(piece);
                    }
                })
                .get(0)
                .text();
    }

    /**
     * Continues several texts at once and gives the text of one continuation each, without special tokens.
     *
     * @param prompts one text each
     * @param options how to continue
     * @return one text for each prompt
     * @throws UserErrorException as {@link #generate(String, GenerationOptions, Consumer)}
     */
    public List<String> generateAll(List<String> prompts, GenerationOptions options) {
        GenerationOptions single = options.toBuilder().numReturnSequences(1).build();
        return complete(prompts, single).stream().map(Completion::text).toList();
    }

    /**
     * Continues several texts at once; see {@link #complete(List, GenerationOptions, ObjIntConsumer)}.
     *
     * @param prompts one text each
     * @param options how to continue
     * @return {@code numReturnSequences} continuations of the first prompt, then of the second, and so on
     */
    public List<Completion> complete(List<String> prompts, GenerationOptions options) {
        return complete(prompts, options, (piece, sequence) -> {});
    }

    /**
     * Continues several texts at once.
     *
     * @param prompts one text each
     * @param options how to continue
     * @param onText is given every piece of text with the number of its sequence in the result
     * @return {@code numReturnSequences} continuations of the first prompt, then of the second, and so on
     * @throws UserErrorException when the model has no tokenizer, or a prompt and its new tokens do not fit its context
     */
    public List<Completion> complete(List<String> prompts, GenerationOptions options, ObjIntConsumer<String> onText) {
        List<int[]> ids = prompts.stream().map(this::encode).toList();
        return run(ids, options, new GenerationListener() {
            @Override
            public void onText(int sequence, String piece) {
                onText.accept(piece, sequence);
            }
        });
    }

    /**
     * Continues sequences of token ids; see {@link #complete(List, GenerationOptions, ObjIntConsumer)}.
     *
     * @param prompts token ids, at least one a sequence
     * @param options how to continue
     * @return {@code numReturnSequences} continuations of the first prompt, then of the second, and so on
     */
    public List<Completion> completeTokens(List<int[]> prompts, GenerationOptions options) {
        return run(prompts, options, GenerationListener.NONE);
    }

    /**
     * Answers a question in the form that the model was trained in: the question becomes a user's message in the model's chat
     * template, which a training here has written.
     *
     * @param question what a user says
     * @return the answer alone, without special tokens
     * @throws UserErrorException when the model has no chat template, or the question does not fit its context
     */
    public String ask(String question) {
        return chat(
                List.of(ChatMessage.user(Objects.requireNonNull(question, "question"))),
                GenerationOptions.builder().build());
    }

    /**
     * Answers a conversation.
     *
     * @param messages the last one is answered
     * @param options how; one answer is given whatever they say
     * @return the answer alone, without special tokens
     * @throws UserErrorException when the model has no chat template, which refuses the messages, or they do not fit
     */
    public String chat(List<ChatMessage> messages, GenerationOptions options) {
        GenerationOptions single = options.toBuilder().numReturnSequences(1).build();
        return completeTokens(List.of(encode(messages)), single).get(0).text();
    }

    /**
     * The tokens that a conversation is asked with: the chat template writes all special tokens itself.
     *
     * @param messages the last one is to be answered
     * @return token ids
     * @throws UserErrorException when the model has no chat template, or it refuses the messages
     */
    public int[] encode(List<ChatMessage> messages) {
        ChatTemplate template = model.chatTemplate()
                .orElseThrow(() -> new UserErrorException(
                        model.nameOrPath() + " has no chat template: continue a text, or name a template"));
        return model.tokenizer().encode(template.render(messages, ChatOptions.generation()), false);
    }

    /** Is told of every new token. */
    public interface TokenListener {
        /**
         * A token was chosen.
         *
         * @param row of the sequence among the continuations, from 0
         * @param token its id
         */
        void onToken(int row, int token);
    }

    /**
     * Continues sequences of token ids, shorter ones padded on the left.
     *
     * @param prompts token ids, at least one a sequence
     * @param options how to continue
     * @param listener is told of every new token
     * @return the new tokens of every sequence; a stop token is the last one where there was one
     * @throws UserErrorException when a sequence is empty, or does not fit the model's context with its new tokens
     */
    public List<int[]> generate(List<int[]> prompts, GenerationOptions options, TokenListener listener) {
        List<Completion> completions = run(prompts, options, new GenerationListener() {
            @Override
            public void onToken(int sequence, int token) {
                listener.onToken(sequence, token);
            }
        });
        return completions.stream().map(Completion::tokens).toList();
    }

    /**
     * A session that reads what grows only once.
     *
     * @return the session, to be closed
     */
    public GenerationSession session() {
        return new GenerationSession(this, model, rowAdapters);
    }

    private List<Completion> run(List<int[]> prompts, GenerationOptions options, GenerationListener listener) {
        if (prompts.isEmpty()) {
            return List.of();
        }
        if (model.network().pooling() != null) {
            throw new UserErrorException(
                    model.config().architecture() + " classifies sequences: it has no next token to generate");
        }
        if (prompts.stream().anyMatch(prompt -> prompt.length == 0)) {
            throw emptyPrompt();
        }
        int longest = prompts.stream().mapToInt(prompt -> prompt.length).max().orElse(0);
        GenerationOptions complete = complete(options, longest);
        try (Autograd.Mode mode = Autograd.disabled();
                CachedDecoder decoder = new CachedDecoder(model, rowAdapters, longest + complete.maxNewTokens())) {
            if (complete.numBeams() == 1) {
                return loop(complete, listener).run(prompts, decoder);
            }
            List<Completion> completions = new BeamSearch(model, complete).run(prompts, decoder);
            for (int sequence = 0; sequence < completions.size(); sequence++) {
                listener.onText(sequence, completions.get(sequence).text());
            }
            return completions;
        }
    }

    TokenLoop loop(GenerationOptions complete, GenerationListener listener) {
        return new TokenLoop(model, complete, listener);
    }

    int[] encode(String text) {
        return model.tokenizer().encode(text, true);
    }

    /** The options with what they leave open filled in, checked against each other and the model. */
    GenerationOptions complete(GenerationOptions options, int promptLength) {
        if (promptLength == 0) {
            throw emptyPrompt();
        }
        GenerationOptions complete = config.complete(options);
        checkBeams(complete);
        if (!complete.stopStrings().isEmpty()) {
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

    private static UserErrorException emptyPrompt() {
        return new UserErrorException("the prompt is empty: generation needs at least one token to start from");
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
