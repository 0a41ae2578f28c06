package org.finetune4j.classify;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.classify.TextScores.LabelScore;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TruncationPolicy;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ProblemType;

/**
 * Says what texts are, with a trained classifier of sequences.
 *
 * <pre>{@code
 * try (CausalLM model = CausalLM.load(Path.of("out/classifier"))) {
 *     List<TextScores> scores = TextClassifier.of(model).classify(List.of("How nice!", "How sad."));
 *     System.out.println(scores.get(0).best().label());
 * }
 * }</pre>
 *
 * <p>Texts are read as its training reads them. Several threads may ask one classifier; the model stays the caller's.
 */
public final class TextClassifier {

    private final CausalLM model;
    private final TextPairTokenizer tokenizer;
    private final ProblemType problem;
    private final List<String> labels;

    private TextClassifier(CausalLM model, int maxLength, TruncationPolicy truncation) {
        if (!model.config().isSequenceClassifier()) {
            throw new UserErrorException(
                    model.config().origin() + ": " + model.config().architecture()
                            + " is no classifier: expected a model of stage cls, or its adapter on the base");
        }
        this.model = model;
        this.tokenizer = new TextPairTokenizer(model, maxLength, truncation);
        this.problem = ProblemType.of(model.config());
        this.labels = model.config().labelNames();
    }

    /**
     * A classifier that cuts the end off a text that is longer than the model can see.
     *
     * @param model with the head of a classifier
     * @return the classifier
     * @throws UserErrorException when the model is none
     */
    public static TextClassifier of(CausalLM model) {
        return of(model, model.network().maxPositions(), TruncationPolicy.RIGHT);
    }

    /**
     * A classifier that reads texts up to a length.
     *
     * @param model with the head of a classifier
     * @param maxLength the most tokens, as in its training
     * @param truncation what becomes of longer texts; {@code DROP} is an error here
     * @return the classifier
     * @throws UserErrorException when the model is none
     */
    public static TextClassifier of(CausalLM model, int maxLength, TruncationPolicy truncation) {
        Objects.requireNonNull(truncation, "truncation");
        return new TextClassifier(
                Objects.requireNonNull(model, "model"),
                maxLength,
                truncation == TruncationPolicy.DROP ? TruncationPolicy.ERROR : truncation);
    }

    /**
     * {@return what the model tells apart, in the order of its outputs}
     */
    public List<String> labels() {
        return labels;
    }

    /**
     * Classifies texts.
     *
     * @param texts any number
     * @return what each is
     * @throws UserErrorException when a text is empty, or an output is no finite number
     */
    public List<TextScores> classify(List<String> texts) {
        return classifyPairs(texts.stream().map(TextPair::new).toList());
    }

    /**
     * Classifies texts of which some come in pairs.
     *
     * @param texts any number
     * @return what each is
     * @throws UserErrorException when a text is empty, or an output is no finite number
     */
    public List<TextScores> classifyPairs(List<TextPair> texts) {
        List<Sample> samples = new ArrayList<>();
        for (TextPair text : texts) {
            samples.add(tokenizer.sample(tokenizer.tokenize(text), "text " + samples.size()));
        }
        return Arrays.stream(SequenceScores.of(model, samples))
                .map(this::scores)
                .toList();
    }

    private TextScores scores(double[] logits) {
        double[] values =
                switch (problem) {
                    case SINGLE_LABEL_CLASSIFICATION -> softmax(logits);
                    case MULTI_LABEL_CLASSIFICATION ->
                        Arrays.stream(logits).map(x -> 1 / (1 + Math.exp(-x))).toArray();
                    case REGRESSION -> logits;
                };
        List<LabelScore> scores = new ArrayList<>();
        for (int i = 0; i < values.length; i++) {
            scores.add(new LabelScore(labels.get(i), values[i]));
        }
        return new TextScores(problem, scores);
    }

    private static double[] softmax(double[] logits) {
        double largest = Arrays.stream(logits).max().orElse(0);
        double[] exponentials =
                Arrays.stream(logits).map(x -> Math.exp(x - largest)).toArray();
        double sum = Arrays.stream(exponentials).sum();
        return Arrays.stream(exponentials).map(x -> x / sum).toArray();
    }
}
