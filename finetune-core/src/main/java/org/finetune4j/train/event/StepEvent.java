package org.finetune4j.train.event;

import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** One optimizer step, from its first batch to its update. */
@Name("org.finetune4j.TrainingStep")
@Label("Training Step")
@Category("Finetune4j")
@StackTrace(false)
public final class StepEvent extends Event {

    /** Number of the step, from 1. */
    @Label("Step")
    public long step;

    /** The mean over what the objective counts in the step. */
    @Label("Loss")
    public double loss;

    /** Global L2 norm of the gradients before clipping. */
    @Label("Gradient Norm")
    public double gradientNorm;

    /** The learning rate that the step used. */
    @Label("Learning Rate")
    public double learningRate;

    /** Tokens that went through the model, padding left out. */
    @Label("Tokens")
    public long tokens;
}
