package org.finetune4j.cli;

import java.io.PrintWriter;
import org.finetune4j.FinetuneException;
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

    public static void main(String[] args) {
        Logging.configure(args);
        InterruptGuard.deleteUnfinishedFilesAtExit();
        System.exit(run(args));
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
        }
    }

    private static int reportUsage(ParameterException exception, String[] args) {
        CommandLine command = exception.getCommandLine();
        PrintWriter err = command.getErr();
        err.println("error: " + exception.getMessage());
        UnmatchedArgumentException.printSuggestions(exception, err);
        err.println("try: " + command.getCommandSpec().qualifiedName() + " --help");
        return USAGE;
    }

    private static int report(Exception exception, CommandLine command, boolean verbose) {
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
    private static String message(Exception exception) {
        String message = exception.getMessage();
        String text = message == null ? exception.getClass().getSimpleName() : message;
        return exception instanceof FinetuneException
                ? text.replace('\n', ' ')
                : exception.getClass().getSimpleName() + ": "
                        + text.lines().findFirst().orElse("");
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
