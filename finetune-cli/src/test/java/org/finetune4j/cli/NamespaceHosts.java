package org.finetune4j.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Two hosts of one slot each that are network namespaces of this machine, with one cable between them. */
final class NamespaceHosts implements AutoCloseable {

    private static final String NETWORK = "10.77.0.";

    private final Path directory;
    private final String[] names = new String[2];

    /** @param directory where the agent and the file of hosts go */
    NamespaceHosts(Path directory) throws IOException {
        this.directory = directory;
        for (int i = 0; i < names.length; i++) {
            names[i] = "ft" + ProcessHandle.current().pid() + (i == 0 ? "a" : "b");
        }
        try {
            for (String name : names) {
                require("ip", "netns", "add", name);
                require("ip", "-n", name, "link", "set", "lo", "up");
            }
            require(
                    "ip", "-n", names[0], "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns",
                    names[1]);
            for (int i = 0; i < names.length; i++) {
                require("ip", "-n", names[i], "addr", "add", address(i) + "/24", "dev", "cable");
                require("ip", "-n", names[i], "link", "set", "cable", "up");
            }
        } catch (IOException e) {
            close();
            throw e;
        }
        Files.writeString(hosts(), address(0) + " slots=1\n" + address(1) + " slots=1\n");
        Files.writeString(agent(), """
                #!/bin/sh
                host=$1; shift
                case "$host" in %s) name=%s;; *) name=%s;; esac
                ip -n $name link show cable | grep -q 'state UP' || { echo "no route to $host" >&2; exit 255; }
                exec ip netns exec $name unshare --uts sh -c "hostname $name; $*"
                """.formatted(address(0), names[0], names[1]));
        agent().toFile().setExecutable(true);
    }

    /** Whether this machine lets this user make them. */
    static boolean canBeMade(Path directory) {
        if (!Files.isExecutable(Path.of("/usr/bin/mpirun"))) {
            return false;
        }
        try (NamespaceHosts hosts = new NamespaceHosts(directory)) {
            return run("ip", "netns", "exec", hosts.names[0], "unshare", "--uts", "true") == 0;
        } catch (IOException e) {
            return false;
        }
    }

    private static String address(int host) {
        return NETWORK + (host + 1);
    }

    Path hosts() {
        return directory.resolve("hosts");
    }

    private Path agent() {
        return directory.resolve("agent.sh");
    }

    /** Starts a command on the first host. */
    Process start(Path output, List<String> command) throws IOException {
        List<String> all = new ArrayList<>(List.of("ip", "netns", "exec", names[0], "unshare", "--uts", "sh", "-c"));
        all.add("hostname " + names[0] + "; exec \"$@\"");
        all.add("sh");
        all.addAll(command);
        ProcessBuilder builder =
                new ProcessBuilder(all).redirectErrorStream(true).redirectOutput(output.toFile());
        builder.environment()
                .putAll(Map.of(
                        "OMPI_MCA_plm_rsh_agent",
                        agent().toString(),
                        "OMPI_MCA_btl",
                        "tcp,self",
                        "OMPI_MCA_btl_tcp_if_include",
                        NETWORK + "0/24",
                        "OMPI_MCA_oob_tcp_if_include",
                        NETWORK + "0/24"));
        return builder.start();
    }

    /** The process of the rank on a host. */
    long rank(int host) throws IOException {
        for (long pid : processes(host)) {
            String[] words = words(pid);
            // mpirun has the same words among its own.
            if (words[0].endsWith("java") && Arrays.asList(words).contains("rank")) {
                return pid;
            }
        }
        throw new IOException("no rank runs on host " + host);
    }

    private static String[] words(long pid) {
        try {
            return Files.readString(Path.of("/proc/" + pid + "/cmdline"), StandardCharsets.UTF_8)
                    .split("\0");
        } catch (IOException e) {
            return new String[] {""}; // it has ended
        }
    }

    /** Cuts the cable at the second host. */
    void cut() throws IOException {
        require("ip", "-n", names[1], "link", "set", "cable", "down");
    }

    private List<Long> processes(int host) throws IOException {
        Process process = new ProcessBuilder("ip", "netns", "pids", names[host]).start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return text.lines()
                .map(String::strip)
                .filter(line -> !line.isEmpty())
                .map(Long::parseLong)
                .toList();
    }

    private static void require(String... command) throws IOException {
        if (run(command) != 0) {
            throw new IOException("failed: " + String.join(" ", command));
        }
    }

    static int run(String... command) throws IOException {
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            return process.waitFor(30, TimeUnit.SECONDS) ? process.exitValue() : -1;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return -1;
        }
    }

    /** Ends what still runs there, and takes the hosts away. */
    @Override
    public void close() throws IOException {
        for (int host = 0; host < names.length; host++) {
            for (long pid : processes(host)) {
                ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
            }
            run("ip", "netns", "del", names[host]);
        }
    }
}
