package org.finetune4j.train;

/**
 * Whether a run is to stop with a checkpoint: somebody asked for it, or interrupted the run's thread, which is the same wish. Ranks of a
 * group are asked only: one of them must not stop by itself.
 */
final class StopRequest {

    private volatile boolean made;
    private boolean interrupted;

    /** Any thread may ask. */
    void make() {
        made = true;
    }

    /** Asked by the run's thread, which is interrupted again when the run has ended. */
    boolean isMade(boolean heedsInterrupts) {
        if (heedsInterrupts && Thread.interrupted()) {
            interrupted = true;
            made = true;
        }
        return made;
    }

    /** The run has ended. */
    void passInterruptOn() {
        if (interrupted) {
            interrupted = false;
            Thread.currentThread().interrupt();
        }
    }
}
