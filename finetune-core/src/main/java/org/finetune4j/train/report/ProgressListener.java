package org.finetune4j.train.report;

import com.sun.jna.Function;
import com.sun.jna.Platform;
import java.io.PrintStream;
import org.finetune4j.train.TrainingListener;

/** Shows how far training is, how it goes and how long it still takes. */
public sealed interface ProgressListener extends TrainingListener permits ProgressBarListener, ProgressLinesListener {

    /**
     * Progress on standard error: a bar that redraws itself where that is a terminal, plain lines now and then where it is a
     * file or a pipe (a log of a CI job, for example).
     *
     * @return the listener
     */
    static ProgressListener console() {
        return of(System.err, standardErrorIsTerminal() && !"dumb".equals(System.getenv("TERM")));
    }

    /**
     * Progress on {@code out}: a bar when it is {@code interactive}, otherwise lines without control characters.
     *
     * @param out where progress goes
     * @param interactive whether it is a terminal
     * @return the listener
     */
    static ProgressListener of(PrintStream out, boolean interactive) {
        return interactive ? new ProgressBarListener(out) : new ProgressLinesListener(out);
    }

    private static boolean standardErrorIsTerminal() {
        // System.console() answers for standard input and output only.
        try {
            String name = Platform.isWindows() ? "_isatty" : "isatty";
            return Function.getFunction(Platform.C_LIBRARY_NAME, name).invokeInt(new Object[] {2}) != 0;
        } catch (LinkageError e) {
            return false;
        }
    }
}
