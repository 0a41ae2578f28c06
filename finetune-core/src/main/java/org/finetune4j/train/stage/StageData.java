package org.finetune4j.train.stage;

import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.model.CausalLM;
import org.jspecify.annotations.Nullable;

/**
 * The model and the data of a training, as a stage completes it.
 *
 * @param model that is trained
 * @param train the samples to train on, as {@link Stage#samples} made them
 * @param trainExamples what they come from; null for plain text
 * @param evaluation the held-out samples, or null
 * @param evaluationExamples what they come from; null for plain text, and where nothing is held out
 */
public record StageData(
        CausalLM model,
        TrainingDataset train,
        @Nullable ExampleDataset trainExamples,
        @Nullable TrainingDataset evaluation,
        @Nullable ExampleDataset evaluationExamples) {}
