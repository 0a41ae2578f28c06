package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.finetune4j.AtomicFiles;
import org.finetune4j.cli.RanksComparison.HangException;

/**
 * Cases that nobody wrote, a seed each, one after the other. Those that fail keep their files, and all of them are told at the end;
 * where another number of them is asked for, each is told at once.
 *
 * @param directory for the files of each
 * @param first seed
 * @param count how many
 * @param tells whether the outcome of each is printed
 */
record RandomCases(Path directory, long first, int count, boolean tells) {

    /**
     * Those that a test usually tries, or as many as the system property asks for, from {@code finetune4j.seed} on.
     *
     * @param name of their directory
     * @param property that says how many
     * @param usual how many are tried where it says nothing
     */
    static RandomCases of(String name, String property, int usual) {
        int count = Integer.getInteger(property, usual);
        return new RandomCases(
                Path.of("target", name).toAbsolutePath(), Long.getLong("finetune4j.seed", 1), count, count != usual);
    }

    /** Draws a case from a seed and writes its files. */
    interface Maker {
        Case draw(long seed, Path at) throws IOException;
    }

    /** What was drawn. */
    interface Case {

        /** {@return in one line} */
        String what();

        /** {@return the configuration, to repeat it by} */
        String yaml();

        /** {@return what it came to, in one line}; throws an {@link AssertionError} where it failed */
        String outcome() throws IOException;

        /** {@return a case of these} */
        static Case of(String what, String yaml, Outcome outcome) {
            return new Case() {
                @Override
                public String what() {
                    return what;
                }

                @Override
                public String yaml() {
                    return yaml;
                }

                @Override
                public String outcome() throws IOException {
                    return outcome.find();
                }
            };
        }
    }

    /** Finds what a case comes to. */
    @FunctionalInterface
    interface Outcome {
        String find() throws IOException;
    }

    /** {@return how often cases came to each outcome}, numbers and files left out; a failure when any of them failed */
    Map<String, Integer> run(Maker maker) throws IOException {
        List<String> failures = new ArrayList<>();
        Map<String, Integer> outcomes = new TreeMap<>();
        for (long seed = first; seed < first + count; seed++) {
            Path at = directory.resolve(String.valueOf(seed));
            AtomicFiles.deleteTree(at);
            Files.createDirectories(at);
            Case drawn = maker.draw(seed, at);
            String what = "seed " + seed + ", " + drawn.what();
            try {
                String outcome = drawn.outcome();
                outcomes.merge(outcome.replaceAll("[^ ]*[/.][^ ]*", "...").replaceAll("\\d+", "N"), 1, Integer::sum);
                say(what + ": " + outcome);
                AtomicFiles.deleteTree(at);
            } catch (AssertionError | HangException e) {
                failures.add("FAILED " + what + "\n" + drawn.yaml() + e.getMessage());
                say(failures.get(failures.size() - 1));
                if (e instanceof HangException) {
                    break;
                }
            }
        }
        outcomes.forEach((outcome, times) -> say(times + " times " + outcome));
        assertTrue(failures.isEmpty(), () -> String.join("\n\n", failures));
        return outcomes;
    }

    private void say(String line) {
        if (tells) {
            System.out.println(line);
        }
    }
}
