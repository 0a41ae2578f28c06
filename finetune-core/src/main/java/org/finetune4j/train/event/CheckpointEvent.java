package org.finetune4j.train.event;

import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A checkpoint is written. */
@Name("org.finetune4j.Checkpoint")
@Label("Checkpoint")
@Category("Finetune4j")
@StackTrace(false)
public final class CheckpointEvent extends Event {

    /** Optimizer steps that the checkpoint holds. */
    @Label("Step")
    public long step;

    /** Where the checkpoint lies. */
    @Label("Directory")
    public String directory = "";
}
