package org.finetune4j.train;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.BatchIterator;
import org.finetune4j.data.BatchSampler;
import org.finetune4j.data.Collator;
import org.finetune4j.data.DataLoader;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.train.arguments.ModelSelection;
import org.finetune4j.train.evaluation.Answers;
import org.finetune4j.train.evaluation.Questions;
import org.finetune4j.train.event.EvaluationEvent;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Measurement;
import org.finetune4j.train.objective.Objective;

/**
 * Measures a model on held-out samples: the loss, and where they are asked for, metrics of the answers it generates. The
 * loss is the objective's, without what it adds in training: of a language model the plain cross entropy, so that its
 * exponential is the perplexity.
 */
public final class Evaluator implements Evaluation {

    private final CausalLM model;
    private final TrainingDataset dataset;
    private final Collator collator;
    private final int batchSize;
    private final ModelSelection selection;
    private final Objective objective;
    private Backpropagation backpropagation;

    /**
     * An evaluator by cross entropy.
     *
     * @param model the model
     * @param dataset the held-out samples
     * @param collator makes batches of them
     * @param batchSize samples that go through the model together
     * @param selection which metrics of generated answers are wanted
     * @throws UserErrorException when the samples cannot give such metrics
     */
    public Evaluator(
            CausalLM model, TrainingDataset dataset, Collator collator, int batchSize, ModelSelection selection) {
        this(model, dataset, collator, batchSize, selection, new CrossEntropy(LossOptions.crossEntropy()));
    }

    /**
     * An evaluator by an objective of its own.
     *
     * @param model the model
     * @param dataset the held-out samples
     * @param collator makes batches of them
     * @param batchSize samples that go through the model together
     * @param selection which metrics of generated answers are wanted
     * @param objective what the loss is
     * @throws UserErrorException when the samples cannot give such metrics
     */
    public Evaluator(
            CausalLM model,
            TrainingDataset dataset,
            Collator collator,
            int batchSize,
            ModelSelection selection,
            Objective objective) {
        this.model = model;
        this.dataset = dataset;
        this.collator = collator;
        this.batchSize = batchSize;
        this.selection = selection;
        this.objective = objective;
        this.backpropagation = new Backpropagation(model, GradientCheckpointing.none());
        requireQuestions(model, dataset, selection);
    }

    /**
     * Refuses metrics that samples cannot give.
     *
     * @param model the model
     * @param dataset the held-out samples
     * @param selection which metrics of generated answers are wanted
     * @throws UserErrorException when they need what the samples do not have
     */
    static void requireQuestions(CausalLM model, TrainingDataset dataset, ModelSelection selection) {
        if (selection.generates()
                && (!model.hasTokenizer()
                        || Questions.of(dataset, model.tokenizer()).isEmpty())) {
            throw new UserErrorException("eval_metrics " + selection.metrics()
                    + " need prompts with expected answers and a tokenizer; these held-out samples have none");
        }
    }

    /**
     * Runs layers in another way.
     *
     * @param segments chooses it
     * @return this
     */
    Evaluator by(SegmentFactory segments) {
        backpropagation = backpropagation.with(segments);
        return this;
    }

    @Override
    public String fingerprint() {
        return RunFingerprint.heldOut(dataset, selection);
    }

    /** Measures the model on the held-out samples. */
    @Override
    public EvaluationMetrics evaluate(long step) {
        EvaluationEvent event = new EvaluationEvent();
        event.begin();
        BatchSampler sampler = BatchSampler.sequential(dataset.size(), batchSize);
        double loss = 0;
        long counted = 0;
        Measurement measurement = objective.measurement();
        Map<String, Average> averages = new LinkedHashMap<>();
        try (BatchIterator batches = new DataLoader(dataset, sampler, collator).epoch(0)) {
            while (batches.hasNext()) {
                Batch batch = batches.next();
                LossHead head = measurement.head(model.network(), batch);
                loss += backpropagation.evaluate(batch.modelInputs(), head);
                Average.addAll(averages, head.metrics());
                counted += objective.count(batch);
            }
        }
        Map<String, Double> scores = Average.means(averages);
        scores.putAll(measurement.scores());
        scores.putAll(scores());
        Double exactMatch = scores.remove("exact_match");
        event.step = step;
        event.loss = loss / Math.max(1, counted);
        event.commit();
        return new EvaluationMetrics(
                step, loss / Math.max(1, counted), counted, exactMatch, scores, measurement.tables());
    }

    private Map<String, Double> scores() {
        if (!selection.generates()) {
            return Map.of();
        }
        Questions questions =
                Questions.of(dataset, model.tokenizer()).orElseThrow().first(selection.generatedSamples());
        return Answers.of(model, questions, batchSize, selection.maxNewTokens()).scores(selection.metrics());
    }
}
