package org.finetune4j.train.event;

import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** The training thread waits for the batches of one step. */
@Name("org.finetune4j.DataWait")
@Label("Data Wait")
@Category("Finetune4j")
@StackTrace(false)
public final class DataWaitEvent extends Event {

    /** Number of the step that waits, from 1. */
    @Label("Step")
    public long step;

    /** How many batches the step has. */
    @Label("Batches")
    public int batches;
}
