package org.finetune4j.train.gradient;

import java.util.List;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * The generalised Jensen-Shannon divergence of a student from its teacher and its derivative, see {@link DistillationOptions}.
 * Where q is the student's probability of a word, every divergence is a sum over words whose derivative times q is g, and that of a
 * score is {@code (g - q * sum(g)) / temperature}.
 *
 * @param beta between forward (0) and reverse (1)
 * @param temperature of both distributions
 */
record GeneralizedDivergence(double beta, double temperature) {

    /** The least probability that is left for the words a teacher does not name. */
    private static final double LEAST = 1e-9;

    /**
     * What is said about some tokens.
     *
     * @param losses [tokens, 1]
     * @param derivative d(losses) / d(logits), [tokens, words]
     */
    record Value(Tensor losses, Tensor derivative) {}

    /** @param logits of the student in float32 or more, [tokens, words] */
    Value of(Tensor logits, TeacherDistribution said) {
        Tensor student = logProbabilities(logits);
        if (said instanceof TeacherDistribution.AllWords all) {
            return ofAllWords(student, logProbabilities(all.logits().to(logits.dtype())));
        }
        return ofLikeliest(student, (TeacherDistribution.Likeliest) said);
    }

    Tensor logProbabilities(Tensor logits) {
        return Functional.logSoftmax(temperature == 1 ? logits : logits.div(temperature), -1);
    }

    private Value ofAllWords(Tensor student, Tensor teacher) {
        Tensor probabilities = student.exp();
        Terms terms = terms(teacher.exp(), teacher, probabilities, student);
        Tensor sum = terms.derivative.sum(-1, true); // [tokens, 1]
        Tensor derivative = terms.derivative.subInPlace(probabilities.mulInPlace(sum));
        return new Value(terms.losses, derivative.mulInPlace(1 / temperature));
    }

    /** The words that are named are events, and all others together are one more. */
    private Value ofLikeliest(Tensor student, TeacherDistribution.Likeliest said) {
        Tensor words = said.words(); // [tokens, k]
        Tensor named =
                said.logprobs().greaterThan(TeacherDistribution.Likeliest.NONE).to(student.dtype());
        Tensor teacherLogs = said.logprobs().to(student.dtype()).mul(named);
        Tensor studentLogs = student.gather(1, words).mulInPlace(named);
        Tensor teacher = withRest(teacherLogs.exp().mulInPlace(named));
        Tensor own = withRest(studentLogs.exp().mulInPlace(named)); // [tokens, k + 1]
        Terms terms = terms(teacher, logs(teacher, teacherLogs), own, logs(own, studentLogs));
        Tensor sum = terms.derivative.sum(-1, true); // [tokens, 1]
        long k = words.size(1);
        Tensor perOther = terms.derivative.narrow(1, k, 1).div(own.narrow(1, k, 1)); // [tokens, 1]
        Tensor derivative = student.exp().mulInPlace(perOther.sub(sum)); // [tokens, words]
        Tensor instead = terms.derivative
                .narrow(1, 0, k)
                .sub(own.narrow(1, 0, k).mul(perOther))
                .mulInPlace(named);
        derivative.scatterAddInPlace(1, words, instead);
        return new Value(terms.losses, derivative.mulInPlace(1 / temperature));
    }

    private static Tensor withRest(Tensor named) {
        Tensor rest = named.sum(-1, true).neg().addInPlace(1);
        Tensor least = Tensors.full(LEAST, named.dtype(), named.device(), rest.shape());
        return Tensors.cat(List.of(named, rest.maximum(least)), 1);
    }

    private static Tensor logs(Tensor events, Tensor named) {
        return Tensors.cat(
                List.of(named, events.narrow(1, events.size(1) - 1, 1).log()), 1);
    }

    /** @param derivative d(losses) / d(student's probability) times that probability, up to what is the same for all events */
    private record Terms(Tensor losses, Tensor derivative) {}

    private Terms terms(Tensor teacher, Tensor teacherLogs, Tensor student, Tensor studentLogs) {
        if (beta == 0) {
            return new Terms(divergence(teacher, teacherLogs.sub(studentLogs)), teacher.neg());
        }
        if (beta == 1) {
            Tensor derivative = student.mul(studentLogs.sub(teacherLogs));
            return new Terms(derivative.sum(-1, true), derivative);
        }
        Tensor mixture = Tensors.stack(List.of(studentLogs.add(Math.log1p(-beta)), teacherLogs.add(Math.log(beta))), 0)
                .logSumExp(0);
        Tensor derivative = student.mul(studentLogs.sub(mixture)).mulInPlace(1 - beta);
        Tensor losses =
                divergence(teacher, teacherLogs.sub(mixture)).mulInPlace(beta).addInPlace(derivative.sum(-1, true));
        return new Terms(losses, derivative);
    }

    private static Tensor divergence(Tensor probabilities, Tensor logRatios) {
        return probabilities.mul(logRatios).sum(-1, true);
    }

    /** [tokens, 1] as numbers. */
    static double[] numbers(Tensor column) {
        return column.to(DType.FLOAT64).toDoubleArray();
    }
}
