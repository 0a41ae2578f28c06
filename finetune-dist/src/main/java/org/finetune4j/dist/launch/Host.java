package org.finetune4j.dist.launch;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;

/**
 * A host that ranks may run on.
 *
 * @param name as mpirun and its agent know it
 * @param slots how many ranks it takes
 */
public record Host(String name, int slots) {

    private static final Pattern LINE = Pattern.compile("([\\w.:\\-\\[\\]]+)((?:\\s+[\\w-]+\\s*=\\s*\\d+)*)");
    private static final Pattern SLOTS = Pattern.compile("\\s([\\w-]+)\\s*=\\s*(\\d+)");
    private static final int MOST_SLOTS = 1 << 14;
    private static final long PATIENCE_SECONDS = 15;

    /**
     * Reads a host file in Open MPI's form: a name a line, {@code slots=2} behind it, {@code #} before what is not read.
     *
     * @param file the file
     * @return the hosts in their order
     * @throws UserErrorException when it cannot be read; the message has the line
     */
    public static List<Host> read(Path file) {
        List<Host> hosts = new ArrayList<>();
        int number = 0;
        for (String line : InputFiles.text(file).lines().toList()) {
            number++;
            String text = line.replaceFirst("#.*", "").strip();
            if (!text.isEmpty()) {
                hosts.add(host(file + ":" + number, text));
            }
        }
        if (hosts.isEmpty()) {
            throw new UserErrorException(file + ": no host is there: expected lines such as node1 slots=8");
        }
        return hosts;
    }

    private static Host host(String place, String text) {
        Matcher line = LINE.matcher(text);
        if (text.startsWith("-") || !line.matches()) {
            throw new UserErrorException(place + ": expected a line such as node1 slots=8");
        }
        int slots = 1;
        Matcher settings = SLOTS.matcher(line.group(2));
        while (settings.find()) {
            String key = settings.group(1);
            if (!Set.of("slots", "max_slots", "max-slots").contains(key)) {
                throw new UserErrorException(
                        place + ": '" + key + "' is not known: expected a line such as node1 slots=8");
            }
            if (key.equals("slots")) {
                slots = settings.group(2).length() > 6 ? Integer.MAX_VALUE : Integer.parseInt(settings.group(2));
            }
        }
        if (slots < 1 || slots > MOST_SLOTS) {
            throw new UserErrorException(place + ": slots is " + slots + ", expected 1 to " + MOST_SLOTS);
        }
        return new Host(line.group(1), slots);
    }

    /**
     * Asks whether a command can be run there, as mpirun will.
     *
     * @param agent the command that runs others on a host, with its first arguments
     * @return why not, or empty when it can
     */
    public Optional<String> problem(List<String> agent) {
        if (isHere()) {
            return Optional.empty();
        }
        List<String> command = new ArrayList<>(agent);
        command.add(name);
        command.add("true");
        try {
            Process process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectInput(
                            ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                    .start();
            if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                process.descendants().forEach(ProcessHandle::destroyForcibly);
                process.destroyForcibly();
                return Optional.of("no answer within " + PATIENCE_SECONDS + " seconds");
            }
            String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return process.exitValue() == 0
                    ? Optional.empty()
                    : Optional.of(said.lines()
                            .filter(line -> !line.isBlank())
                            .reduce((first, last) -> last)
                            .orElse(agent.get(0) + " ended with code " + process.exitValue()));
        } catch (IOException e) {
            return Optional.of(agent.get(0) + " cannot be run");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UncheckedIOException(new IOException("interrupted", e));
        }
    }

    private boolean isHere() {
        try {
            InetAddress address = InetAddress.getByName(name);
            return address.isLoopbackAddress() || NetworkInterface.getByInetAddress(address) != null;
        } catch (IOException e) {
            return false; // a name that means no address here may mean something to the agent
        }
    }
}
