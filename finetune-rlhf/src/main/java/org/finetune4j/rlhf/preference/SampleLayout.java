package org.finetune4j.rlhf.preference;

import java.nio.file.Path;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadBalancing;
import org.jspecify.annotations.Nullable;

/**
 * How the samples of preferences lie in rows, and how they come by a reference.
 *
 * @param sharing whether the answers to one prompt share its tokens, where that changes nothing
 * @param paddingFree whether the samples of a batch lie in one row
 * @param promptLimit tokens of a prompt at most; 0 for no limit of its own
 * @param precompute whether the reference is asked about all samples before the first step
 * @param directory where its answers are kept, or null for nowhere
 */
public record SampleLayout(
        boolean sharing,
        boolean paddingFree,
        int promptLimit,
        boolean precompute,
        @Nullable Path directory) {

    /** Shared prompts without padding, the reference asked batch by batch. */
    public static final SampleLayout DEFAULT = new SampleLayout(true, true, 0, false, null);

    /** The same with a directory that keeps the reference's answers. */
    SampleLayout keptIn(Path newDirectory) {
        return new SampleLayout(sharing, paddingFree, promptLimit, precompute, newDirectory);
    }

    /** Experts whose use is balanced by the loss count a token as often as it is there. */
    boolean shares(CausalLM model) {
        LoadBalancing balance = model.network().loadBalancing();
        return sharing && (balance == null || !balance.addsToLoss());
    }

    /** Only what is shared is attended to run by run: other rows would need the mask of all of them together. */
    boolean joins(CausalLM model) {
        return paddingFree && shares(model);
    }

    /** Where the reference's answers about some samples are kept. */
    @Nullable
    Path file(String samples) {
        return directory == null ? null : directory.resolve("reference-logprobs-" + samples + ".safetensors");
    }
}
