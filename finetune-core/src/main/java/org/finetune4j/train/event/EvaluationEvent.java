package org.finetune4j.train.event;

import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** The model is evaluated on the held-out samples. */
@Name("org.finetune4j.Evaluation")
@Label("Evaluation")
@Category("Finetune4j")
@StackTrace(false)
public final class EvaluationEvent extends Event {

    /** Optimizer steps done. */
    @Label("Step")
    public long step;

    /** The mean over what the objective counts in the split. */
    @Label("Loss")
    public double loss;
}
