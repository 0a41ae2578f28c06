package org.finetune4j.train.evaluation;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;

/**
 * Which of several texts a model finds the likeliest after a prompt: the usual way to ask a model that was not taught to
 * answer with a letter (as in EleutherAI's evaluation harness).
 */
public final class MultipleChoice {

    private final CausalLM model;
    private final Backpropagation backpropagation;

    /**
     * Asks a model, which stays the caller's.
     *
     * @param model with a tokenizer
     */
    public MultipleChoice(CausalLM model) {
        this.model = model;
        this.backpropagation = new Backpropagation(model, GradientCheckpointing.none());
    }

    /**
     * The shares of questions where the right choice came first.
     *
     * @param accuracy by the choices' log-likelihood
     * @param normalisedAccuracy by the log-likelihood per UTF-8 byte, which does not favour short choices
     * @param questions how many there were
     */
    public record Result(double accuracy, double normalisedAccuracy, int questions) {}

    /**
     * Asks all questions.
     *
     * @param questions may be empty
     * @return the shares of right answers
     */
    public Result ask(List<ChoiceQuestion> questions) {
        int right = 0;
        int rightNormalised = 0;
        for (ChoiceQuestion question : questions) {
            double[] likelihoods = logLikelihoods(question);
            double[] normalised = new double[likelihoods.length];
            for (int i = 0; i < likelihoods.length; i++) {
                int bytes = question.choices().get(i).getBytes(StandardCharsets.UTF_8).length;
                normalised[i] = likelihoods[i] / Math.max(1, bytes);
            }
            right += largest(likelihoods) == question.answer() ? 1 : 0;
            rightNormalised += largest(normalised) == question.answer() ? 1 : 0;
        }
        double count = Math.max(1, questions.size());
        return new Result(right / count, rightNormalised / count, questions.size());
    }

    /**
     * {@return the log-likelihood of each choice after the prompt, in nats}
     *
     * @param question with a prompt of at least one token
     */
    public double[] logLikelihoods(ChoiceQuestion question) {
        Tokenizer tokenizer = model.tokenizer();
        int[] prompt = tokenizer.encode(question.prompt(), true);
        if (prompt.length == 0) {
            throw new UserErrorException("a multiple-choice question needs a prompt");
        }
        return question.choices().stream()
                .mapToDouble(choice -> logLikelihood(prompt, tokenizer.encode(choice, false)))
                .toArray();
    }

    private double logLikelihood(int[] prompt, int[] choice) {
        int[] ids = Arrays.copyOf(prompt, prompt.length + choice.length);
        System.arraycopy(choice, 0, ids, prompt.length, choice.length);
        int[] labels = ids.clone();
        Arrays.fill(labels, 0, prompt.length, Sample.IGNORE_INDEX);
        byte[] mask = new byte[ids.length];
        Arrays.fill(mask, (byte) 1);
        Batch batch = new Batch(1, ids.length, ids, mask, labels);
        return -backpropagation.evaluate(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1));
    }

    private static int largest(double[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        return best;
    }
}
