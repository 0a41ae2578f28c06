package org.finetune4j.dist.pipeline;

import org.finetune4j.UserErrorException;
import org.finetune4j.dist.mesh.Mesh;
import org.finetune4j.dist.zero.ModelParts;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.group.TrainingGroup;

/**
 * Ranks that have different layers of one model, in one or more copies that share the batches of every step; the ranks of a stage may
 * have slices of its matrices. Mesh and parts stay the caller's.
 *
 * @param mesh where the ranks are
 * @param within what the ranks of a stage have of its layers
 * @param options how batches go through
 */
public record PipelineGroup(Mesh mesh, ModelParts within, PipelineOptions options) implements TrainingGroup {

    @Override
    public boolean isFirst() {
        return mesh.rank() == 0;
    }

    @Override
    public Membership join(CausalLM model, AttachedStrategy strategy, TrainingArguments arguments) {
        require(model, arguments);
        StagePlan plan =
                StagePlan.balanced(StageCosts.of(model.network()), mesh.shape().pipeline() * options.chunks());
        StageParts parts = new StageParts(
                mesh,
                within,
                model.network(),
                strategy.trainableParameters(),
                plan,
                strategy.trainingHooks().readsGradients());
        return new PipelineMembership(mesh, parts, options.schedule(), plan, model, strategy, arguments);
    }

    private static void require(CausalLM model, TrainingArguments arguments) {
        if (model.tokenScaling() != null) {
            refuse("a method that looks at a first pass (xlora)", "every stage would wait for all others: choose lora");
        }
        int stage = arguments.sharding().stage();
        if (stage > 1) {
            refuse(
                    "zero_stage " + stage,
                    (stage == 2
                                    ? "a pipeline adds up the gradients of all its micro-batches before copies share them"
                                    : "every micro-batch would gather the weights of its stage twice")
                            + ", DeepSpeed's pipelines have stage 1 at most too: choose 0 or 1");
        }
    }

    private static void refuse(String what, String instead) {
        throw new UserErrorException(
                what + " is not implemented with pipeline_parallel_size (pp in a mesh) above 1: " + instead);
    }
}
