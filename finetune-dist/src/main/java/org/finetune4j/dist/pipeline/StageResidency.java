package org.finetune4j.dist.pipeline;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.finetune4j.dist.zero.ModelParts.Loan;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Residency;

/**
 * Lets every rank of a pipeline run the whole model, as held-out samples and previews need it: what it holds comes from its stage for
 * the time of a segment. While a step goes through the stages nothing does.
 */
final class StageResidency implements Residency {

    private final StageParts parts;
    private final IdentityHashMap<Module, List<Parameter>> apart = new IdentityHashMap<>();
    private final Deque<List<Loan>> loans = new ArrayDeque<>();
    private boolean inStages;

    /**
     * @param parts before what other stages have is released
     * @param network the model's layers
     */
    StageResidency(StageParts parts, DecoderModel network) {
        this.parts = parts;
        Set<Parameter> all = Collections.newSetFromMap(new IdentityHashMap<>());
        all.addAll(parts.apart());
        for (Module segment : StageParts.segments(network)) {
            apart.put(
                    segment,
                    StageParts.held(segment).stream().filter(all::contains).toList());
        }
    }

    /** Says whether a step goes through the stages, each rank running its own segments only. */
    void inStages(boolean value) {
        inStages = value;
    }

    @Override
    public void beforeForward(Module segment) {
        if (inStages) {
            return;
        }
        List<Loan> all = new ArrayList<>();
        for (Parameter parameter : apart.getOrDefault(segment, List.of())) {
            parts.ask(parameter);
            all.add(parts.borrow(parameter));
        }
        loans.push(all);
    }

    @Override
    public void afterForward(Module segment) {
        if (!inStages) {
            loans.pop().forEach(Loan::close);
        }
    }
}
