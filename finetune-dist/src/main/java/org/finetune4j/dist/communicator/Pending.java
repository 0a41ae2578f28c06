package org.finetune4j.dist.communicator;

/**
 * A communication that is under way. The tensors that were given to it belong to it until {@link #await()} has returned: they are
 * neither read nor written nor closed before.
 */
public interface Pending {

    /** What is done already. */
    Pending DONE = new Pending() {
        @Override
        public void await() {}

        @Override
        public boolean isDone() {
            return true;
        }
    };

    /**
     * Waits for the end. Later calls return at once.
     *
     * @throws CommunicationException when another rank has failed, is gone, or said nothing for too long
     */
    void await();

    /** {@return whether {@link #await()} would return at once} */
    boolean isDone();
}
