package org.finetune4j.model.architecture;

import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.GatedFeedForward;
import org.finetune4j.nn.MixtureOfExperts;

/** Checks what a configuration says about experts. */
final class ExpertSettings {

    private ExpertSettings() {}

    /** The settings, or an error where a token would be sent to more experts than there are. */
    static MixtureOfExperts.Settings of(
            ModelConfig config,
            int experts,
            int perToken,
            boolean renormalise,
            int inner,
            GatedFeedForward.Names names) {
        if (perToken > experts) {
            throw config.invalid("num_experts_per_tok", "no more than the " + experts + " experts");
        }
        return new MixtureOfExperts.Settings(experts, perToken, renormalise, inner, names);
    }
}
