package org.finetune4j.rlhf.preference.loss;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Alignment by optimal transport (Melnyk et al. 2024, arXiv:2406.05882): the chosen answers of a batch are to be better than the
 * rejected ones as distributions. Both sides are sorted, and the smallest is compared with the smallest, by {@code -(1 - e) log
 * sigmoid(x) - e log sigmoid(-x)} with {@code x = beta} times their difference.
 *
 * @param beta how much a log-ratio counts
 * @param labelSmoothing the share e of pairs that is taken to be the wrong way round
 * @param paired whether the model's differences within pairs are compared with the reference's, and not the log-ratios of chosen
 *     answers with those of rejected ones
 */
public record AotLoss(double beta, double labelSmoothing, boolean paired) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts
     * @param labelSmoothing the share of pairs that is taken to be the wrong way round
     * @param paired whether differences within pairs are compared
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public AotLoss {
        LossSettings.requireBeta(beta);
        LossSettings.requireSmoothing(paired ? "aot" : "aot_unpaired", labelSmoothing, true, 1);
    }

    /** A batch of one pair has nothing to sort. */
    @Override
    public Value of(Answer chosen, Answer rejected) {
        return new ConservativeLoss(beta, labelSmoothing).of(chosen, rejected);
    }

    @Override
    public boolean comparesPairs() {
        return true;
    }

    @Override
    public List<Value> ofAll(List<Pair> pairs) {
        return paired ? differences(pairs) : ratios(pairs);
    }

    /** The reference is fixed: only the model's difference of the pair at a place of its order has a derivative. */
    private List<Value> differences(List<Pair> pairs) {
        ToDoubleFunction<Pair> own =
                pair -> pair.chosen().logprob() - pair.rejected().logprob();
        ToDoubleFunction<Pair> reference =
                pair -> pair.chosen().reference() - pair.rejected().reference();
        List<Integer> order = order(pairs, own);
        List<Integer> others = order(pairs, reference);
        List<Value> values = new ArrayList<>(Collections.nCopies(pairs.size(), new Value(0, 0, 0)));
        for (int place = 0; place < pairs.size(); place++) {
            int pair = order.get(place);
            values.set(
                    pair,
                    compared(
                            own.applyAsDouble(pairs.get(pair)), reference.applyAsDouble(pairs.get(others.get(place)))));
        }
        return values;
    }

    private List<Value> ratios(List<Pair> pairs) {
        List<Integer> better = order(pairs, pair -> pair.chosen().ratio());
        List<Integer> worse = order(pairs, pair -> pair.rejected().ratio());
        double[] loss = new double[pairs.size()];
        double[] chosen = new double[pairs.size()];
        double[] rejected = new double[pairs.size()];
        for (int place = 0; place < pairs.size(); place++) {
            Value value = compared(
                    pairs.get(better.get(place)).chosen().ratio(),
                    pairs.get(worse.get(place)).rejected().ratio());
            loss[better.get(place)] = value.loss();
            chosen[better.get(place)] = value.chosen();
            rejected[worse.get(place)] = value.rejected();
        }
        return IntStream.range(0, loss.length)
                .mapToObj(i -> new Value(loss[i], chosen[i], rejected[i]))
                .toList();
    }

    private Value compared(double larger, double smaller) {
        return of(new Answer(larger, 0, 1), new Answer(smaller, 0, 1));
    }

    private static List<Integer> order(List<Pair> pairs, ToDoubleFunction<Pair> by) {
        return IntStream.range(0, pairs.size())
                .boxed()
                .sorted(Comparator.comparingDouble(i -> by.applyAsDouble(pairs.get(i))))
                .toList();
    }
}
