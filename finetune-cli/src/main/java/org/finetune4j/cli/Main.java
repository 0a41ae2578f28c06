package org.finetune4j.cli;

import java.io.PrintWriter;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Starts the command line. Exit codes: 0 done, 2 bad usage or input, 1 failure. */
public final class Main {

    static final int USAGE = 2;
    static final int FAILURE = 1;

    private Main() {}

    /**
     * Runs a command and ends the JVM with its exit status.
     *
     * @param args the command and its options, as typed
     */
    public static void main(String[] args) {
        Logging.configure(args);
        InterruptGuard.deleteUnfinishedFilesAtExit();
        int exitCode = run(args);
        if (System.out.checkError() && exitCode == 0) {
            System.err.println("error: the output could not be written: standard output is closed or full");
            exitCode = FAILURE;
        }
        System.exit(exitCode);
    }

    /** Runs one command and gives its exit code. */
    static int run(String... args) {
        CommandLine commandLine = new CommandLine(new FinetuneCommand());
        commandLine.setCaseInsensitiveEnumValuesAllowed(true);
        commandLine.setParameterExceptionHandler(Main::reportUsage);
        commandLine.setExecutionExceptionHandler(
                (exception, command, parsed) -> report(exception, command, isVerbose(args)));
        try {
            return commandLine.execute(args);
        } catch (OutOfMemoryError e) {
            commandLine
                    .getErr()
                    .println("error: out of memory for Java objects: ask for less at once, or start with"
                            + " FINETUNE_JAVA_OPTS=-Xmx4g");
            return FAILURE;
        } catch (Error e) { // of a reward or a listener of the user's, for one
            return report(e, commandLine, isVerbose(args));
        }
    }

    private static int reportUsage(ParameterException exception, String[] args) {
        CommandLine command = exception.getCommandLine();
        PrintWriter err = command.getErr();
        err.println("error: " + usageProblem(exception));
        err.println("try: " + command.getCommandSpec().qualifiedName() + " --help");
        return USAGE;
    }

    private static String usageProblem(ParameterException exception) {
        if (!(exception instanceof UnmatchedArgumentException unmatched)
                || unmatched.getUnmatched().isEmpty()) {
            return Reasons.oneLine(String.valueOf(exception.getMessage()))
                    .replaceFirst(" is not an? (long|int)$", " is no whole number, or none of a usable size")
                    .replaceFirst(" is not an? (double|float)$", " is no number");
        }
        String given = unmatched.getUnmatched().get(0);
        CommandSpec spec = unmatched.getCommandLine().getCommandSpec();
        if (unmatched.isUnknownOption()) {
            String name = given.replaceFirst("=.*", "");
            return "unknown option '" + name + "'"
                    + Suggestions.didYouMean(name, spec.optionsMap().keySet());
        }
        return spec.subcommands().isEmpty()
                ? "'" + given + "' is one argument too many"
                : "unknown command '" + given + "'"
                        + Suggestions.didYouMean(given, spec.subcommands().keySet());
    }

    private static int report(Throwable exception, CommandLine command, boolean verbose) {
        PrintWriter err = command.getErr();
        err.println("error: " + message(exception));
        if (verbose) {
            exception.printStackTrace(err);
        }
        CommandSpec spec = command.getCommandSpec();
        if (!verbose && !(exception instanceof FinetuneException)) {
            err.println("run " + spec.qualifiedName() + " with --verbose to see where");
        }
        return exception instanceof UserErrorException ? USAGE : FAILURE;
    }

    /** One line, whatever the exception says. */
    private static String message(Throwable exception) {
        String message = exception.getMessage();
        String text = message == null ? exception.getClass().getSimpleName() : message;
        return Reasons.line(
                exception instanceof FinetuneException
                        ? text
                        : exception.getClass().getSimpleName() + ": " + text);
    }

    private static boolean isVerbose(String... args) {
        for (String arg : args) {
            if (arg.equals("--verbose")) {
                return true;
            }
        }
        return false;
    }
}
