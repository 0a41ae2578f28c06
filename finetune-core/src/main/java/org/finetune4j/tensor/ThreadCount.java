package org.finetune4j.tensor;

import org.bytedeco.pytorch.global.torch;
import org.finetune4j.UserErrorException;

/**
 * How many threads an operation may use: one number for the whole process, as MKL has it, although OpenMP keeps one for
 * every thread that calls it. The order of sums depends on it, and so do the last digits of a result. Work that must not
 * see another number half-way holds the present one.
 *
 * <pre>{@code
 * try (ThreadCount.Hold threads = ThreadCount.hold()) {
 *     // as many threads as before, whatever others want
 * }
 * }</pre>
 */
public final class ThreadCount {

    private static final String PROPERTY = "finetune4j.threads";

    /** As in configurations. */
    private static final int MOST = 1024;

    /** What was set last; 0 leaves libtorch's own. */
    private static int chosen;

    private static int holding;

    private ThreadCount() {}

    /**
     * The number that the system property asks for, 0 where it asks for none.
     *
     * @throws UserErrorException when it is no number of threads
     */
    static int ofProperty() {
        String text = System.getProperty(PROPERTY);
        if (text == null) {
            return 0;
        }
        if (!text.matches("[1-9]\\d{0,3}") || Integer.parseInt(text) > MOST) {
            throw new UserErrorException(
                    "the system property " + PROPERTY + " is '" + text + "', expected a number from 1 to " + MOST);
        }
        return Integer.parseInt(text);
    }

    /** Keeps the number as it is until it is closed. */
    public static final class Hold implements AutoCloseable {

        private boolean open = true;

        private Hold() {}

        @Override
        public void close() {
            if (open) {
                open = false;
                release();
            }
        }
    }

    /**
     * Keeps the number as it is, and lets this thread use it, whenever it came to libtorch first.
     *
     * @return ends it; several may overlap
     */
    public static synchronized Hold hold() {
        Torch.ensureLoaded();
        if (chosen > 0 && torch.get_num_threads() != chosen) {
            torch.set_num_threads(chosen);
        }
        holding++;
        return new Hold();
    }

    private static synchronized void release() {
        holding--;
    }

    /** {@return the number that was chosen last, whichever thread asks} */
    static synchronized int current() {
        return chosen > 0 ? chosen : torch.get_num_threads();
    }

    /** Sets another number, unless the present one is held. */
    static synchronized void set(int threads) {
        int present = torch.get_num_threads();
        if (holding > 0 && threads != present) {
            throw new IllegalStateException("operations use " + present + " threads as long as a training runs in this"
                    + " process, whose results depend on it: set " + threads + " before or after");
        }
        chosen = threads;
        torch.set_num_threads(threads);
    }
}
