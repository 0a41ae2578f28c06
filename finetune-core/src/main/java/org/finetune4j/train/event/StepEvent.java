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

    @Label("Step")
    public long step;

    @Label("Loss")
    public double loss;

    @Label("Gradient Norm")
    public double gradientNorm;

    @Label("Learning Rate")
    public double learningRate;

    @Label("Tokens")
    public long tokens;
}
