package org.finetune4j.train.gradient;

import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.BiFunction;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.SequenceLayout;
import org.finetune4j.model.fused.Projections;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Portion;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.ValueHead;
import org.finetune4j.nn.WeightBuffers;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * The positions of a batch that carry a label, on their way through the final norm and the output layer. They go some at a
 * time, and each piece's gradient is taken before the next piece is made: the logits of the whole batch never exist, and what
 * a label does not need is not computed.
 */
final class LabelledRows {

    /** Logits in memory at one time, where that are not too few rows to keep the matrix product efficient. */
    private static final long CHUNK_LOGITS = 9L << 20;

    private static final long FEWEST_ROWS = 96;

    private final DecoderModel network;
    private final int sequenceLength;
    private final int[] rows;
    private final int[] labelled;
    private final int[] targets;

    /**
     * @param rows the positions whose outputs foretell the labels, by their number in the batch; one can foretell several
     * @param labelled the positions that carry them
     */
    private LabelledRows(DecoderModel network, int sequenceLength, int[] rows, int[] labelled, int[] targets) {
        this.network = network;
        this.sequenceLength = sequenceLength;
        this.rows = rows;
        this.labelled = labelled;
        this.targets = targets;
    }

    /** @throws UserErrorException when the model is a classifier, or a label is not in its vocabulary */
    static LabelledRows of(DecoderModel network, Batch batch) {
        if (network.pooling() != null) {
            throw new UserErrorException("this model classifies sequences: it has no next token to train on");
        }
        int count = batch.labelledTokens();
        int[] rows = new int[count];
        int[] labelled = new int[count];
        int[] targets = new int[count];
        int next = 0;
        int[] labels = batch.labels();
        SequenceLayout layout = batch.positionIds() == null ? null : SequenceLayout.of(batch.modelInputs());
        for (int at = 0; at < labels.length; at++) {
            if (at % batch.sequenceLength() > 0 && labels[at] != Sample.IGNORE_INDEX) {
                int before = layout == null ? at - 1 : layout.before(at);
                rows[next] = before < 0 ? at - 1 : before;
                labelled[next] = at;
                targets[next++] = labels[at];
            }
        }
        LabelledRows all = new LabelledRows(network, batch.sequenceLength(), rows, labelled, targets);
        all.requireTargets(all.words());
        return all;
    }

    /** The distribution that the rows' scores stand for. */
    VocabularySoftmax softmax() {
        return new VocabularySoftmax(network.vocabularyShard());
    }

    /** How many words are scored, by whatever process. */
    private long words() {
        return softmax().words(network.outputLayer().outFeatures());
    }

    private void requireTargets(long vocabulary) {
        for (int i = 0; i < targets.length; i++) {
            if (targets[i] < 0 || targets[i] >= vocabulary) {
                throw new UserErrorException("label " + targets[i] + " (row " + labelled[i] / sequenceLength
                        + ", position " + labelled[i] % sequenceLength
                        + ") is out of range: the model's output layer scores 0 to " + (vocabulary - 1));
            }
        }
    }

    /** How many rows go through an output layer of so many words together at most. */
    static long atOnce(long vocabulary) {
        return Math.max(FEWEST_ROWS, CHUNK_LOGITS / vocabulary);
    }

    int count() {
        return rows.length;
    }

    /** What a model found, with where it found it. */
    TokenLogprobs logprobs(double[] values) {
        return logprobs(values, new double[0]);
    }

    /** @param collisions as {@link TokenLogprobs#collisions} */
    TokenLogprobs logprobs(double[] values, double[] collisions) {
        int[] sequences = new int[rows.length];
        int[] positions = new int[rows.length];
        for (int i = 0; i < rows.length; i++) {
            sequences[i] = labelled[i] / sequenceLength;
            positions[i] = labelled[i] % sequenceLength;
        }
        return new TokenLogprobs(sequences, positions, values, collisions);
    }

    /** Looks at the scores of some rows. */
    interface Reader {

        /**
         * Is given the rows one piece after the other.
         *
         * @param logits [piece, vocabulary]
         * @param target [piece, 1] int64
         * @param start number of the first row
         */
        void read(Tensor logits, Tensor target, int start);
    }

    /** Says where the scores of some rows are to go. */
    interface Derivative {

        /** As {@link Reader}; gives d(loss) / d(logits), [piece, vocabulary]. */
        Tensor of(Tensor logits, Tensor target, int start);
    }

    /** A loss of the scores of all rows, which it can be given as often as it wants. */
    interface Loss {
        double of(Scores scores);
    }

    /**
     * Gives the rows of {@code hiddenStates} to a loss.
     *
     * @param hiddenStates [batch, seq, hidden], before the final norm, cut off from its graph
     * @param pass the context of the batch
     * @param wantGradient whether the loss will call {@link Scores#backward}
     */
    LossHead.Result apply(Tensor hiddenStates, SequenceContext pass, boolean wantGradient, Loss loss) {
        long hidden = hiddenStates.size(-1);
        Tensor flat = hiddenStates.reshape(-1, hidden); // [batch * seq, hidden]
        SequenceContext context = ofRows(pass, 0, rows.length, flat.size(0));
        try (TensorScope scope = TensorScope.open()) {
            if (rows.length == 0) {
                return new LossHead.Result(0, wantGradient ? zerosLike(scope, flat, hiddenStates) : null);
            }
            Tensor index = Tensors.of(rows, rows.length).to(DType.INT64).to(flat.device()); // [labelled]
            Tensor target = Tensors.of(targets, rows.length, 1).to(DType.INT64).to(flat.device()); // [labelled, 1]
            Tensor selected = flat.indexSelect(0, index); // [labelled, hidden]
            if (!wantGradient) {
                try (Autograd.Mode mode = Autograd.disabled()) {
                    return new LossHead.Result(
                            loss.of(new Scores(network.finalNorm(selected, context), target, pass, flat.size(0), null)),
                            null);
                }
            }
            try (Autograd.Mode mode = Autograd.enabled()) {
                selected = selected.detach().requiresGrad(true);
                Tensor normalised = network.finalNorm(selected, context); // [labelled, hidden]
                Tensor gradient = Tensors.zeros(normalised.dtype(), normalised.device(), normalised.shape());
                double value = loss.of(new Scores(normalised.detach(), target, pass, flat.size(0), gradient));
                Autograd.backward(normalised, gradient);
                Tensor hiddenGradient = zerosLike(scope, flat, hiddenStates);
                hiddenGradient.view(-1, hidden).indexAddInPlace(0, index, gradientOf(selected));
                return new LossHead.Result(value, hiddenGradient);
            }
        }
    }

    /** The context of some of the rows by themselves, which drop what all tokens would drop of theirs. */
    private SequenceContext ofRows(SequenceContext pass, int start, int count, long tokens) {
        Dropout dropout = pass.dropout();
        return dropout.isOn()
                ? pass.withoutRows().withDropout(dropout.ofPortion(Portion.ofTokens(places(start, count), tokens)))
                : pass.withoutRows();
    }

    private long[] places(int start, int count) {
        return Arrays.stream(rows, start, start + count).asLongStream().toArray();
    }

    private static Tensor zerosLike(TensorScope scope, Tensor flat, Tensor hiddenStates) {
        return scope.keep(Tensors.zeros(flat.dtype(), flat.device(), hiddenStates.shape()));
    }

    /** The scores of all rows, some at a time. */
    final class Scores {

        private final Tensor normalised;
        private final Tensor target;
        private final SequenceContext pass;
        private final long tokens;
        private final long seed;
        private final @Nullable Tensor gradient;

        /**
         * @param normalised [labelled, hidden], cut off from its graph
         * @param target [labelled, 1] int64
         * @param pass of the batch
         * @param tokens of the batch, padding among them
         * @param gradient filled with d(loss)/d(normalised), or null
         */
        private Scores(Tensor normalised, Tensor target, SequenceContext pass, long tokens, @Nullable Tensor gradient) {
            this.normalised = normalised;
            this.target = target;
            this.pass = pass;
            this.tokens = tokens;
            this.seed = pass.dropout().isOn() ? RandomGenerator.current().next() : 0;
            this.gradient = gradient;
        }

        /** Does something with rows from {@code start} on: the same is dropped of a row every time, whatever rows go with it. */
        private Tensor with(Tensor input, long start, BiFunction<Tensor, SequenceContext, Tensor> head) {
            SequenceContext context = ofRows(pass, (int) start, (int) input.size(0), tokens);
            if (!pass.dropout().isOn()) {
                return head.apply(input, context);
            }
            try (RandomGenerator.Use draws =
                    RandomGenerator.current().branch(seed).use()) {
                return head.apply(input, context);
            }
        }

        private Tensor scores(Tensor input, long start) {
            return with(input, start, network::ownLogits);
        }

        /** Shows the scores, recording nothing. */
        void forEach(Reader reader) {
            try (Autograd.Mode mode = Autograd.disabled()) {
                inPieces((input, pieceTarget, start) -> reader.read(scores(input, start), pieceTarget, start));
            }
        }

        /** The scores of some rows, [count, vocabulary], recording whatever is recorded by the caller. */
        Tensor logits(int start, int count) {
            return scores(normalised.narrow(0, start, count), start);
        }

        /** Shows the scores once more and pushes back what is said about them. */
        void backward(Derivative derivative) {
            if (gradient == null) {
                throw new IllegalStateException("a loss that is only measured is not pushed back");
            }
            inPieces((input, pieceTarget, start) -> {
                input.requiresGrad(true);
                Tensor logits = scores(input, start); // [piece, vocabulary]
                Tensor wanted;
                try (Autograd.Mode mode = Autograd.disabled()) {
                    wanted = derivative.of(logits.detach(), pieceTarget, start);
                }
                Autograd.backward(logits, wanted);
                gradient.narrow(0, start, input.size(0)).copyInPlace(gradientOf(input));
            });
        }

        /** Whether nothing between a row and its scores trains: then every row's gradient is a multiple of what {@link #backward} left. */
        boolean areFixed() {
            try (Autograd.Mode mode = Autograd.enabled();
                    TensorScope scope = TensorScope.open()) {
                return !scores(normalised.narrow(0, 0, 1).detach(), 0).requiresGrad();
            }
        }

        /** Multiplies what was pushed back to each row, where {@link #areFixed}. */
        void scale(double[] factors) {
            if (gradient == null) {
                throw new IllegalStateException("a loss that is only measured is not pushed back");
            }
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                gradient.mulInPlace(Tensors.of(factors, factors.length, 1)
                        .to(gradient.dtype())
                        .to(gradient.device()));
            }
        }

        /**
         * The sum of the tokens' losses by cross entropy, pushed back times a factor. The scores are made, and become their
         * derivative, in one place; autograd sees none of it.
         *
         * @param factor of the sum
         * @return the sum without it; empty where the output layer does more than multiply, and nothing has happened
         */
        OptionalDouble backwardInPlace(double factor) {
            WeightBuffers buffers = pass.weightBuffers();
            Projections output = new Projections(List.of(network.outputLayer()));
            if (gradient == null
                    || buffers == null
                    || network.isDivided()
                    || !network.scoresAreProducts()
                    || normalised.dtype() != DType.FLOAT32
                    || !normalised.device().equals(Device.CPU)
                    || !output.holdWith(pass.dropout())) {
                return OptionalDouble.empty();
            }
            CrossEntropyInPlace loss = new CrossEntropyInPlace(output, pass.withoutRows(), buffers.arena());
            double[] sum = {0};
            try (Autograd.Mode mode = Autograd.disabled()) {
                inPieces((input, pieceTarget, start) ->
                        sum[0] += loss.of(input, pieceTarget, factor, gradient.narrow(0, start, input.size(0))));
            }
            return OptionalDouble.of(sum[0]);
        }

        /** What a head of one output says about all rows. */
        double[] estimates(ValueHead head) {
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                return with(normalised, 0, head::forward).to(DType.FLOAT64).toDoubleArray();
            }
        }

        /** Pushes back what is said about a head's estimates, through the head and beside what else there is. */
        void backward(ValueHead head, double[] derivative) {
            if (gradient == null) {
                throw new IllegalStateException("a loss that is only measured is not pushed back");
            }
            try (TensorScope scope = TensorScope.open()) {
                Tensor input = normalised.detach().requiresGrad(true); // [labelled, hidden]
                Tensor estimates = with(input, 0, head::forward); // [labelled]
                Tensor wanted = Tensors.of(derivative, derivative.length);
                Autograd.backward(estimates, wanted.to(estimates.dtype()).to(estimates.device()));
                try (Autograd.Mode mode = Autograd.disabled()) {
                    gradient.addInPlace(gradientOf(input));
                }
            }
        }

        /** @param reader is given hidden states [piece, hidden] in the place of scores */
        private void inPieces(Reader reader) {
            // Pieces of one size: the last one's product would read the whole output layer for a few rows.
            long most = atOnce(words());
            long pieces = Math.max(1, (rows.length + most - 1) / most);
            long piece = (rows.length + pieces - 1) / pieces;
            for (long start = 0; start < rows.length; start += piece) {
                long length = Math.min(piece, rows.length - start);
                try (TensorScope scope = TensorScope.open()) {
                    Tensor input = normalised.narrow(0, start, length).detach(); // [piece, hidden]
                    reader.read(input, target.narrow(0, start, length), Math.toIntExact(start));
                }
            }
        }
    }

    private static Tensor gradientOf(Tensor leaf) {
        Tensor gradient = leaf.grad();
        if (gradient == null) {
            throw new IllegalStateException("back-propagation reached no gradient for the head's input");
        }
        return gradient;
    }
}
