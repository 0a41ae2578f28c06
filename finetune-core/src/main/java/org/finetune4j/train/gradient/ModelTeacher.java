package org.finetune4j.train.gradient;

import java.util.function.ToDoubleFunction;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;

/**
 * A model that teaches. Its layers run once for a batch, without dropout and without recording anything; its scores are made for as
 * many tokens as the student's are.
 *
 * @param model the teacher, which stays the caller's
 */
public record ModelTeacher(CausalLM model) implements Teacher {

    @Override
    public double under(Batch batch, ToDoubleFunction<Scores> loss) {
        if (batch.sequenceLength() > model.network().maxPositions()) {
            throw new UserErrorException(
                    "the teacher sees no more than " + model.network().maxPositions() + " tokens, and a sample has "
                            + batch.sequenceLength() + ": lower max_length");
        }
        LabelledRows rows = LabelledRows.of(model.network(), batch);
        return new Backpropagation(model, GradientCheckpointing.none())
                .evaluate(batch.modelInputs(), new Reading(rows, loss));
    }

    /** The end of the teacher's layers, within which the loss is asked. */
    private record Reading(LabelledRows rows, ToDoubleFunction<Scores> loss) implements LossHead {

        @Override
        public Result apply(Tensor hiddenStates, SequenceContext context, boolean wantGradient) {
            return rows.apply(
                    hiddenStates,
                    context,
                    false,
                    scores -> loss.applyAsDouble((start, count) -> {
                        try (Autograd.Mode mode = Autograd.disabled()) {
                            return new TeacherDistribution.AllWords(scores.logits(start, count));
                        }
                    }));
        }
    }
}
