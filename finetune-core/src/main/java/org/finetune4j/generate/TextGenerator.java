package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.IncrementalDecoder;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * Continues texts with a model, token by token, with a key-value cache.
 *
 * <pre>{@code
 * TextGenerator.of(model).generate("Once upon a time", GenerationOptions.greedy(64), System.out::print);
 * }</pre>
 */
public final class TextGenerator {

    private final CausalLM model;

    private TextGenerator(CausalLM model) {
        this.model = model;
    }

    /** A generator for {@code model}, which stays the caller's. */
    public static TextGenerator of(CausalLM model) {
        return new TextGenerator(model);
    }

    /** Continues a text greedily; see {@link #generate(String, GenerationOptions, Consumer)}. */
    public String generate(String prompt) {
        return generate(prompt, GenerationOptions.builder().build());
    }

    /** Continues a text; see {@link #generate(String, GenerationOptions, Consumer)}. */
    public String generate(String prompt, GenerationOptions options) {
        return generate(prompt, options, piece -> {});
    }

    /**
     * Continues a text.
     *
     * @param onText is given every piece of text as soon as it is complete
     * @return the continuation alone, without special tokens
     * @throws UserErrorException when the model has no tokenizer, or prompt and new tokens do not fit its context
     */
    public String generate(String prompt, GenerationOptions options, Consumer<String> onText) {
        Tokenizer tokenizer = model.tokenizer();
        int[] ids = tokenizer.encode(prompt, true);
        IncrementalDecoder decoder = tokenizer.incrementalDecoder(true);
        StringBuilder text = new StringBuilder();
        Consumer<String> sink = piece -> {
            if (!piece.isEmpty()) {
                text.append(piece);
                onText.accept(piece);
            }
        };
        Set<Integer> stops = stopTokens(options);
        generate(List.of(ids), options, (row, token) -> {
            if (!stops.contains(token)) {
                sink.accept(decoder.push(token));
            }
        });
        sink.accept(decoder.finish());
        return text.toString();
    }

    /**
     * Continues several texts at once and gives their continuations, without special tokens.
     *
     * @throws UserErrorException as {@link #generate(String, GenerationOptions, Consumer)}
     */
    public List<String> generateAll(List<String> prompts, GenerationOptions options) {
        Tokenizer tokenizer = model.tokenizer();
        List<int[]> ids =
                prompts.stream().map(prompt -> tokenizer.encode(prompt, true)).toList();
        return generate(ids, options, (row, token) -> {}).stream()
                .map(tokens -> tokenizer.decode(tokens, true))
                .toList();
    }

    /** Is told of every new token. */
    public interface TokenListener {
        void onToken(int row, int token);
    }

    /**
     * Continues sequences of token ids, shorter ones padded on the left.
     *
     * @return the new tokens of every sequence; a stop token is the last one where there was one
     * @throws UserErrorException when a sequence is empty, or does not fit the model's context with its new tokens
     */
    public List<int[]> generate(List<int[]> prompts, GenerationOptions options, TokenListener listener) {
        if (model.network().pooling() != null) {
            throw new UserErrorException(
                    model.config().architecture() + " classifies sequences: it has no next token to generate");
        }
        int longest = prompts.stream().mapToInt(prompt -> prompt.length).max().orElse(0);
        if (prompts.stream().anyMatch(prompt -> prompt.length == 0)) {
            throw new UserErrorException("the prompt is empty: generation needs at least one token to start from");
        }
        int capacity = model.virtualTokens() + longest + options.maxNewTokens();
        if (capacity - 1 > model.network().maxPositions()) {
            throw new UserErrorException("the prompt has " + longest + " tokens and " + options.maxNewTokens()
                    + " more are asked for, but the model sees no more than "
                    + model.network().maxPositions());
        }
        Set<Integer> stops = stopTokens(options);
        TokenSampler sampler = new TokenSampler(options);
        int rows = prompts.size();
        List<List<Integer>> generated = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            generated.add(new ArrayList<>());
        }
        boolean[] finished = new boolean[rows];
        try (Autograd.Mode mode = Autograd.disabled();
                GrowingKeyValueCache cache = new GrowingKeyValueCache(capacity)) {
            ModelInputs inputs = leftPadded(prompts, longest);
            byte[] seen = inputs.attentionMask();
            for (int step = 0; step < options.maxNewTokens(); step++) {
                float[] scores = nextScores(inputs, cache, seen);
                int vocabulary = scores.length / rows;
                int[] tokens = new int[rows];
                for (int row = 0; row < rows; row++) {
                    if (finished[row]) {
                        continue;
                    }
                    tokens[row] = sampler.sample(Arrays.copyOfRange(scores, row * vocabulary, (row + 1) * vocabulary));
                    generated.get(row).add(tokens[row]);
                    listener.onToken(row, tokens[row]);
                    finished[row] = stops.contains(tokens[row]);
                }
                if (allTrue(finished)) {
                    break;
                }
                seen = withOneMore(seen, rows);
                inputs = following(prompts, tokens, step);
            }
        }
        return generated.stream()
                .map(tokens -> tokens.stream().mapToInt(Integer::intValue).toArray())
                .toList();
    }

    /** Scores after the last token of every row, row-major [rows, vocabulary]. */
    private float[] nextScores(ModelInputs inputs, GrowingKeyValueCache cache, byte[] seen) {
        try (TensorScope scope = TensorScope.open()) {
            SequenceContext context = model.context(inputs, cache, seen);
            Tensor hidden = model.hiddenStates(inputs, context); // [rows, seq, hidden]
            cache.advance((int) hidden.size(1));
            Tensor last = hidden.select(1, hidden.size(1) - 1); // [rows, hidden]
            return model.network().logits(last).toFloatArray();
        }
    }

    private static ModelInputs leftPadded(List<int[]> prompts, int longest) {
        int[] ids = new int[prompts.size() * longest];
        byte[] mask = new byte[ids.length];
        for (int row = 0; row < prompts.size(); row++) {
            int[] prompt = prompts.get(row);
            int start = (row + 1) * longest - prompt.length;
            System.arraycopy(prompt, 0, ids, start, prompt.length);
            Arrays.fill(mask, start, (row + 1) * longest, (byte) 1);
        }
        return new ModelInputs(prompts.size(), longest, ids, mask, null);
    }

    /** The inputs of the next step: one token a row, at its own position. */
    private static ModelInputs following(List<int[]> prompts, int[] tokens, int step) {
        int rows = prompts.size();
        byte[] mask = new byte[rows];
        Arrays.fill(mask, (byte) 1);
        int[] positions = new int[rows];
        for (int row = 0; row < rows; row++) {
            positions[row] = prompts.get(row).length + step;
        }
        return new ModelInputs(rows, 1, tokens, mask, positions);
    }

    private static byte[] withOneMore(byte[] seen, int rows) {
        int length = seen.length / rows;
        byte[] longer = new byte[seen.length + rows];
        for (int row = 0; row < rows; row++) {
            System.arraycopy(seen, row * length, longer, row * (length + 1), length);
            longer[row * (length + 1) + length] = 1;
        }
        return longer;
    }

    private static boolean allTrue(boolean[] values) {
        for (boolean value : values) {
            if (!value) {
                return false;
            }
        }
        return true;
    }

    private Set<Integer> stopTokens(GenerationOptions options) {
        return options.stopTokens() != null ? options.stopTokens() : StopTokens.of(model);
    }
}
