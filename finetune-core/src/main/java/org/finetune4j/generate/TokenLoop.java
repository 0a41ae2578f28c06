package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.finetune4j.model.CausalLM;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Greedy generation and sampling: one token a sequence and step, until all sequences have ended. */
final class TokenLoop {

    private final CausalLM model;
    private final GenerationOptions options;
    private final GenerationListener listener;

    /** @param options complete: with stop tokens */
    TokenLoop(CausalLM model, GenerationOptions options, GenerationListener listener) {
        this.model = model;
        this.options = options;
        this.listener = listener;
    }

    /** Continues all prompts at once. */
    List<Completion> run(List<int[]> prompts, CachedDecoder decoder) {
        int copies = options.numReturnSequences();
        List<RunningSequence> sequences = sequences(prompts, copies);
        float[][] scores;
        try (TensorScope scope = TensorScope.open()) {
            Tensor first = decoder.start(prompts); // [prompts, vocabulary]
            scores = rows(first, copies);
        }
        if (copies > 1) {
            int[] rows = new int[sequences.size()];
            Arrays.setAll(rows, row -> row / copies);
            decoder.selectRows(rows);
        }
        return loop(sequences, choose(sequences, scores), decoder);
    }

    /** Continues one prompt of which the decoder knows the beginning: {@code rest} is what it has not seen. */
    Completion runFrom(int[] prompt, int[] rest, CachedDecoder decoder) {
        List<RunningSequence> sequences = sequences(List.of(prompt), 1);
        int[] tokens;
        try (TensorScope scope = TensorScope.open()) {
            Tensor scores = decoder.length() == 0 ? decoder.start(List.of(rest)) : decoder.extend(rest);
            tokens = choose(sequences, scores);
        }
        return loop(sequences, tokens, decoder).get(0);
    }

    private List<Completion> loop(List<RunningSequence> sequences, int[] first, CachedDecoder decoder) {
        int[] tokens = first;
        while (accept(sequences, tokens)) {
            try (TensorScope scope = TensorScope.open()) {
                tokens = choose(sequences, decoder.next(tokens));
            }
        }
        return sequences.stream().map(RunningSequence::result).toList();
    }

    /** Adds the tokens to their sequences; false when all have ended. */
    private static boolean accept(List<RunningSequence> sequences, int[] tokens) {
        boolean running = false;
        for (int row = 0; row < tokens.length; row++) {
            RunningSequence sequence = sequences.get(row);
            if (!sequence.isFinished()) {
                sequence.accept(tokens[row]);
                running |= !sequence.isFinished();
            }
        }
        return running;
    }

    private int[] choose(List<RunningSequence> sequences, Tensor scores) {
        if (isPlainGreedy()) {
            long[] likeliest = scores.argmax(-1).toLongArray();
            return Arrays.stream(likeliest).mapToInt(token -> (int) token).toArray();
        }
        return choose(sequences, rows(scores, 1));
    }

    private static int[] choose(List<RunningSequence> sequences, float[][] scores) {
        int[] tokens = new int[sequences.size()];
        for (int row = 0; row < tokens.length; row++) {
            // What a finished row goes on with does not matter: nobody sees it.
            tokens[row] =
                    sequences.get(row).isFinished() ? 0 : sequences.get(row).choose(scores[row]);
        }
        return tokens;
    }

    /** Nothing but the likeliest token is asked for: the scores need not come to the heap. */
    private boolean isPlainGreedy() {
        return !options.isSampling()
                && options.logprobs() < 0
                && options.repetitionPenalty() == 1
                && options.noRepeatNgramSize() == 0
                && options.minNewTokens() == 0;
    }

    private static float[][] rows(Tensor scores, int copies) {
        int vocabulary = (int) scores.size(1);
        float[] all = scores.toFloatArray();
        float[][] rows = new float[all.length / vocabulary * copies][];
        for (int row = 0; row < rows.length; row++) {
            int from = row / copies * vocabulary;
            rows[row] = Arrays.copyOfRange(all, from, from + vocabulary);
        }
        return rows;
    }

    private List<RunningSequence> sequences(List<int[]> prompts, int copies) {
        Set<Integer> stops = options.stopTokens() == null ? Set.of() : options.stopTokens();
        List<LogitsProcessor> processors = LogitsProcessor.of(options, stops);
        List<RunningSequence> sequences = new ArrayList<>();
        for (int number = 0; number < prompts.size() * copies; number++) {
            int sequence = number;
            GeneratedText text = model.hasTokenizer()
                    ? new GeneratedText(
                            model.tokenizer(), options.stopStrings(), stops, piece -> listener.onText(sequence, piece))
                    : null;
            sequences.add(new RunningSequence(
                    number / copies,
                    number,
                    prompts.get(number / copies),
                    options,
                    new TokenSampler(options, processors, number),
                    text,
                    listener));
        }
        return sequences;
    }
}
