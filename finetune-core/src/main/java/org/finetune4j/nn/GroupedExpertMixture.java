package org.finetune4j.nn;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * A mixture of experts as DeepSeek-V3 has it (DeepSeek-AI 2024, arXiv:2412.19437): each expert's score is a sigmoid by itself, a correction that is no weight
 * helps those that get few tokens to be chosen, a token's experts come from a few groups of them, and one more block sees all tokens.
 */
public final class GroupedExpertMixture extends MixtureOfExperts {

    /** Experts of a group whose scores speak for it. */
    private static final int SPEAKERS = 2;

    /** Keeps a sum of scores from being 0. */
    private static final double LEAST = 1e-20;

    /**
     * How the router chooses.
     *
     * @param groups experts lie in so many groups, one after the other, of two experts or more
     * @param chosenGroups how many of them a token's experts may be of
     * @param scale factor of the weights of what the chosen ones give
     */
    public record Groups(int groups, int chosenGroups, double scale) {}

    private final Groups groups;
    private final GatedFeedForward sharedExperts;

    /**
     * Reads {@code gate} with {@code e_score_correction_bias} [experts], {@code experts.i} and {@code shared_experts}.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param settings of the router
     * @param groups of experts
     * @param sharedInner size between the projections of the block that sees all tokens
     * @param activation applied to the gates of experts
     * @param layer number of the layer in the model, from 0
     * @param init what a new model starts with
     */
    public GroupedExpertMixture(
            Weights weights,
            long hidden,
            Settings settings,
            Groups groups,
            long sharedInner,
            Activation activation,
            int layer,
            Initialization init) {
        super(weights, hidden, settings, activation, layer, init);
        this.groups = groups;
        parameter(
                "gate.e_score_correction_bias",
                weights.at("gate")
                        .parameter("e_score_correction_bias", Initialization.ZEROS, settings.experts())
                        .constant());
        this.sharedExperts = child(
                "shared_experts",
                new GatedFeedForward(weights.at("shared_experts"), hidden, sharedInner, false, activation, init));
    }

    @Override
    protected Choice choose(Tensor logits) {
        Tensor scores = logits.sigmoid(); // [tokens, experts]
        Tensor corrected =
                scores.detach().add(own("gate.e_score_correction_bias").as(logits.dtype()));
        Tensor experts =
                Functional.topK(withinGroups(corrected), settings().perToken()).indices(); // [tokens, perToken]
        Tensor weights = scores.gather(1, experts);
        if (settings().renormalise()) {
            weights = weights.div(weights.sum(-1, true).add(LEAST));
        }
        return new Choice(scores.div(scores.sum(-1, true).add(LEAST)), weights.mul(groups.scale), experts);
    }

    /** Scores [tokens, experts] of which those outside of a token's best groups are negative infinity. */
    private Tensor withinGroups(Tensor scores) {
        if (groups.chosenGroups == groups.groups) {
            return scores;
        }
        Tensor byGroups = scores.view(scores.size(0), groups.groups, -1); // [tokens, groups, experts of one]
        Tensor ofGroups = Functional.topK(byGroups, SPEAKERS).values().sum(-1, false); // [tokens, groups]
        Tensor best = Functional.topK(ofGroups, groups.chosenGroups).indices(); // [tokens, chosenGroups]
        Tensor isBest = best.unsqueeze(2)
                .eq(Tensors.arange(groups.groups, scores.device()).view(1, 1, -1)) // [tokens, chosenGroups, groups]
                .to(DType.FLOAT32)
                .sum(1, false); // [tokens, groups]
        return byGroups.copy()
                .maskedFillInPlace(isBest.eq(0).unsqueeze(2), Double.NEGATIVE_INFINITY)
                .view(scores.shape());
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context) {
        return super.forward(x, context).add(sharedExperts.forward(x, context));
    }
}
