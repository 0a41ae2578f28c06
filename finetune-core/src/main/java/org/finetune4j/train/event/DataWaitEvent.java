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

    @Label("Step")
    public long step;

    @Label("Batches")
    public int batches;
}
