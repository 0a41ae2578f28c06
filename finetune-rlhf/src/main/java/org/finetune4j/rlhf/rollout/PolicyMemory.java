package org.finetune4j.rlhf.rollout;

import org.finetune4j.generate.GenerationLimits;
import org.finetune4j.generate.GenerationMemory;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.StepMemory;
import org.finetune4j.train.steps.StepSetup;

/**
 * What a policy's training takes beside that of a text: rollouts with their keys and values, the reference where it is a copy, and
 * a reward model that has a base of its own.
 *
 * @param method what is learned from answers
 * @param options how answers are made
 * @param rewards what scores them
 */
record PolicyMemory(PolicyMethod method, RolloutOptions options, RewardSetup rewards) {

    /** @param prompts the longest prompts, as if they were samples */
    StepMemory of(StepSetup setup, MemoryPlan.Load prompts) {
        SamplingOptions sampling = options.sampling();
        int perBatch = setup.arguments().perDeviceTrainBatchSize();
        int prompt = prompts.sequenceLength();
        long answers = (long) perBatch * setup.arguments().gradientAccumulationSteps() * options.miniBatches();
        // Answers of a group lie behind one prompt.
        long groups = (perBatch + sampling.generations() - 1L) / sampling.generations();
        long tokens = groups * prompt + (long) perBatch * sampling.maxCompletionLength();
        MemoryPlan.Load load =
                new MemoryPlan.Load(perBatch, (int) Math.min(Integer.MAX_VALUE, (tokens + perBatch - 1) / perBatch));
        long rollouts = GenerationMemory.bytes(
                setup.model(),
                GenerationLimits.defaults(),
                (int) Math.min(Integer.MAX_VALUE, answers),
                prompt,
                sampling.maxCompletionLength());
        long packed = GenerationMemory.packedBytes(setup.model(), GenerationLimits.defaults());
        long beside =
                reference(setup) + rewards.bytes(setup.model(), setup.strategy()) + packed + entropies(setup, tokens);
        return new StepMemory(load, beside, rollouts - packed);
    }

    /** Log-probabilities and probabilities of all words, which entropies are made of, beside the scores and their derivative. */
    private static long entropies(StepSetup setup, long tokens) {
        long vocabulary = setup.model().network().outputLayer().outFeatures();
        long rows = Math.min(tokens, LanguageModelLoss.rowsAtOnce(vocabulary));
        return 2 * rows * vocabulary * Float.BYTES;
    }

    /** The base below an adapter is the reference itself; weights that train have it beside them. */
    private long reference(StepSetup setup) {
        boolean copied = !(setup.strategy() instanceof Adapter) && !(method instanceof PolicyMethod.BestOfN);
        return copied ? weights(setup.model()) : 0;
    }

    private static long weights(CausalLM model) {
        return model.network().allParameters().stream()
                .mapToLong(Parameter::bytes)
                .sum();
    }
}
