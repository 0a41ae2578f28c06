package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.ObjIntConsumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatMessage;
import org.finetune4j.model.chat.ChatOptions;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.nn.RowAdapters;
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
    private final OptionsResolver resolver;
    private final @Nullable RowAdapters rowAdapters;

    private TextGenerator(OptionsResolver resolver, @Nullable RowAdapters rowAdapters) {
        this.model = resolver.model();
        this.resolver = resolver;
        this.rowAdapters = rowAdapters;
    }

    /**
     * A generator for a model.
     *
     * @param model stays the caller's
     * @return the generator, which several threads may use
     */
    public static TextGenerator of(CausalLM model) {
        return new TextGenerator(new OptionsResolver(model), null);
    }

    /**
     * A generator whose prompts use adapters of their own.
     *
     * @param rows which adapter each prompt of a batch uses
     * @return the generator
     */
    public TextGenerator withRows(RowAdapters rows) {
        return new TextGenerator(resolver, rows);
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
        Objects.requireNonNull(options, "options");
        Objects.requireNonNull(onText, "onText");
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
        List<int[]> ids = prompts.stream()
                .map(prompt -> model.tokenizer().encode(prompt, true))
                .toList();
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

    /**
     * What ends a text unless options name other tokens: what the model's own files and the form it is asked in say.
     *
     * @return ids of tokens
     */
    public Set<Integer> stopTokens() {
        return resolver.stopTokens();
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
        return new GenerationSession(model, resolver, rowAdapters);
    }

    private List<Completion> run(List<int[]> prompts, GenerationOptions options, GenerationListener listener) {
        if (prompts.isEmpty()) {
            return List.of();
        }
        int longest = prompts.stream().mapToInt(prompt -> prompt.length).max().orElse(0);
        GenerationOptions complete = resolver.complete(options, longest);
        prompts.forEach(prompt -> resolver.complete(complete, prompt.length));
        return complete.numBeams() == 1 ? together(prompts, complete, listener) : beams(prompts, complete, listener);
    }

    private List<Completion> beams(List<int[]> prompts, GenerationOptions complete, GenerationListener listener) {
        List<Completion> completions = new BeamSearch(model, complete).run(prompts, rowAdapters);
        for (int sequence = 0; sequence < completions.size(); sequence++) {
            listener.onText(sequence, completions.get(sequence).text());
        }
        return completions;
    }

    private List<Completion> together(List<int[]> prompts, GenerationOptions complete, GenerationListener listener) {
        int copies = complete.numReturnSequences();
        try (GenerationEngine engine = new GenerationEngine(resolver, GenerationLimits.defaults())) {
            List<GenerationHandle> handles = new ArrayList<>();
            for (int prompt = 0; prompt < prompts.size(); prompt++) {
                int first = prompt * copies;
                GenerationRequest request = new GenerationRequest(
                        prompts.get(prompt), complete, first, null, null, false, numbered(listener, first));
                handles.add(engine.submit(request, choice(prompt, prompts.size()), null));
            }
            List<Rollout> rollouts = engine.finish(handles);
            List<Completion> completions = new ArrayList<>();
            for (int sequence = 0; sequence < rollouts.size(); sequence++) {
                completions.add(rollouts.get(sequence).completion(sequence / copies));
            }
            return completions;
        }
    }

    private @Nullable RowAdapterChoice choice(int prompt, int prompts) {
        return rowAdapters == null ? null : new RowAdapterChoice(rowAdapters, prompt, prompts);
    }

    /** Gives the answers of a prompt the numbers that they have among those of all prompts. */
    private static GenerationListener numbered(GenerationListener listener, int first) {
        if (listener == GenerationListener.NONE) {
            return listener;
        }
        return new GenerationListener() {
            @Override
            public void onToken(int answer, int token) {
                listener.onToken(first + answer, token);
            }

            @Override
            public void onText(int answer, String piece) {
                listener.onText(first + answer, piece);
            }
        };
    }
}
