package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * What one command did.
 *
 * @param exitCode 0 done, 2 bad usage or input, 1 failure
 * @param out lines on standard output
 * @param err lines on standard error
 */
record CommandRun(int exitCode, List<String> out, List<String> err) {

    /** Runs a command in this process. */
    static CommandRun of(String... args) {
        PrintStream standardOut = System.out;
        PrintStream standardErr = System.err;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        try {
            int exitCode = Main.run(args);
            return new CommandRun(exitCode, lines(out), lines(err));
        } finally {
            System.setOut(standardOut);
            System.setErr(standardErr);
        }
    }

    private static List<String> lines(ByteArrayOutputStream bytes) {
        return bytes.toString(StandardCharsets.UTF_8).lines().toList();
    }

    /** The lines that tell an error. */
    List<String> errors() {
        return err.stream().filter(line -> line.startsWith("error: ")).toList();
    }

    /**
     * Fails unless a command was refused for what its user did: exit code 2, and one line that has all of these parts.
     *
     * @param run what the command did
     * @param expected parts of the line
     */
    static void assertRefused(CommandRun run, String... expected) {
        assertEquals(2, run.exitCode(), run.toString());
        assertEquals(1, run.errors().size(), run.toString());
        for (String part : expected) {
            assertTrue(run.errors().get(0).contains(part), run.errors().get(0) + " should contain " + part);
        }
        assertFalse(run.err().stream().anyMatch(line -> line.startsWith("\tat ")), "no stack trace");
    }
}
