package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.generate.FinishReason;
import org.finetune4j.generate.GenerationEngine;
import org.finetune4j.generate.GenerationLimits;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.GenerationRequest;
import org.finetune4j.generate.Rollout;
import org.finetune4j.model.CausalLM;

/** Lets a policy answer: all prompts at once, each prompt's tokens computed once for all of its answers. */
public final class PolicySampler {

    private final CausalLM model;
    private final SamplingOptions options;

    /**
     * A sampler of the model as it is when it is asked.
     *
     * @param model the policy
     * @param options how it answers
     */
    public PolicySampler(CausalLM model, SamplingOptions options) {
        this.model = model;
        this.options = options;
    }

    /**
     * Answers prompts.
     *
     * @param prompts any number
     * @param seed decides what is drawn, together with {@code stream}
     * @param stream the number of the first answer among all that have this seed
     * @return the answers to the first prompt, then those to the second, and so on
     * @throws org.finetune4j.UserErrorException when prompt and answer do not fit the model
     */
    public List<Episode> answer(List<PolicyPrompt> prompts, long seed, long stream) {
        GenerationOptions generation = options.generation(seed);
        List<GenerationRequest> requests = new ArrayList<>();
        for (PolicyPrompt prompt : prompts) {
            requests.add(GenerationRequest.of(prompt.ids(), generation)
                    .withFirstStream(stream + (long) requests.size() * options.generations()));
        }
        try (GenerationEngine engine = GenerationEngine.of(model, GenerationLimits.defaults())) {
            List<Rollout> rollouts = engine.generate(requests);
            List<Episode> episodes = new ArrayList<>();
            for (int i = 0; i < rollouts.size(); i++) {
                Rollout rollout = rollouts.get(i);
                episodes.add(new Episode(
                        prompts.get(i / options.generations()),
                        rollout.tokens(),
                        rollout.text(),
                        rollout.finishReason() == FinishReason.STOP));
            }
            return episodes;
        }
    }
}
