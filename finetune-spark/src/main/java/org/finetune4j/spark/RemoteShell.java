package org.finetune4j.spark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.dist.communicator.watchdog.LineConnection;

/**
 * What mpirun starts in place of ssh: hands a command to the task on an executor, and says what comes of it. Arguments: a file of
 * executors' addresses, the executor, the command's words.
 */
final class RemoteShell {

    /** Before a line that the command wrote. */
    static final String SAID = "> ";

    /** Before the command's exit code. */
    static final String ENDED = "= ";

    private static final int UNREACHABLE = 255;

    private RemoteShell() {}

    /**
     * Runs one command and ends with its exit code, or 255 when it could not be run to its end.
     *
     * @param args see above
     */
    public static void main(String[] args) {
        System.exit(run(args));
    }

    private static int run(String... args) {
        String executor = args[1];
        String command = String.join(" ", Arrays.asList(args).subList(2, args.length));
        try (LineConnection connection = address(Path.of(args[0]), executor).connect()) {
            connection.send(command);
            for (String line = connection.receive(0); line != null; line = connection.receive(0)) {
                if (line.startsWith(ENDED)) {
                    return Integer.parseInt(line.substring(ENDED.length()));
                }
                System.err.println(line.substring(SAID.length()));
            }
            System.err.println(executor + " is gone");
        } catch (IOException e) {
            System.err.println(executor + " cannot be reached: " + e.getMessage());
        }
        return UNREACHABLE;
    }

    /** Writes where executors listen. */
    static void write(Path file, List<ExecutorShare> executors) throws IOException {
        List<String> lines = executors.stream()
                .map(one -> String.join(
                        " ",
                        one.name(),
                        one.address().host(),
                        String.valueOf(one.address().port()),
                        one.address().secret()))
                .toList();
        Files.write(file, lines);
    }

    private static Peer address(Path file, String executor) throws IOException {
        for (String line : Files.readAllLines(file)) {
            String[] words = line.split(" ", -1);
            if (words[0].equals(executor)) {
                return new Peer(words[1], Integer.parseInt(words[2]), words[3]);
            }
        }
        throw new IOException("nobody has that name");
    }
}
