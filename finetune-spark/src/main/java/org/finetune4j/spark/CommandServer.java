package org.finetune4j.spark;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.finetune4j.AtomicFiles;
import org.finetune4j.dist.communicator.watchdog.LineConnection;
import org.jspecify.annotations.Nullable;

/**
 * Runs one command on this executor, for the {@link RemoteShell} that knows its secret, and ends it when that one or this task goes. It is
 * what a host's remote shell would be to mpirun.
 */
final class CommandServer implements AutoCloseable {

    private final ServerSocket server;
    private final String secret = Secrets.next();
    private final Map<String, String> environment;
    private final Path directory;
    private final Path session = AtomicFiles.temporaryDirectory("finetune4j-mpi");
    private @Nullable Process running;
    private boolean closed;

    /**
     * Listens.
     *
     * @param environment of the command, beside that of this process
     * @param directory where it begins
     */
    CommandServer(Map<String, String> environment, Path directory) throws IOException {
        this.environment = Map.copyOf(environment);
        this.directory = directory;
        this.server = new ServerSocket(0);
        daemon(this::accept);
    }

    /**
     * {@return where it listens}
     *
     * @param host of this executor, as others know it
     */
    Peer address(String host) {
        return new Peer(host, server.getLocalPort(), secret);
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                Socket socket = server.accept();
                try (LineConnection connection = new LineConnection(socket)) {
                    if (Secrets.isSame(secret, connection.receive(Peer.PATIENCE))) {
                        server.close(); // one command is all it is for
                        run(connection);
                    }
                }
            } catch (IOException e) {
                // Closed, or whoever was connected has gone: so has the command.
            }
        }
    }

    private void run(LineConnection connection) throws IOException {
        String command = connection.receive(Peer.PATIENCE);
        if (command == null) {
            return;
        }
        ProcessBuilder builder = new ProcessBuilder("sh", "-c", command)
                .redirectErrorStream(true)
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                .directory(directory.toFile());
        builder.environment().putAll(environment);
        // Two of mpirun's daemons on one host would otherwise take each other's files.
        builder.environment().put("OMPI_MCA_orte_tmpdir_base", session.toString());
        Process process = start(builder);
        daemon(() -> endWith(connection, process));
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                connection.send(RemoteShell.SAID + line);
            }
        }
        try {
            connection.send(RemoteShell.ENDED + process.waitFor());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private Process start(ProcessBuilder builder) throws IOException {
        synchronized (environment) {
            if (closed) {
                throw new IOException("the task has ended");
            }
            running = builder.start();
            return running;
        }
    }

    /** Nothing more is said on the connection: when it ends, mpirun has. */
    private static void endWith(LineConnection connection, Process process) {
        try {
            connection.receive(0);
        } catch (IOException e) {
            // Ended too.
        }
        end(process);
    }

    /** mpirun's daemon takes its ranks with it; those that it cannot are ended here. */
    private static void end(Process process) {
        var below = process.descendants().toList();
        process.destroy();
        below.forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    private static void daemon(Runnable work) {
        Thread thread = new Thread(work, "finetune4j-command");
        thread.setDaemon(true);
        thread.start();
    }

    /** Ends the command, if one runs. */
    @Override
    public void close() throws IOException {
        server.close();
        synchronized (environment) {
            closed = true;
            if (running != null) {
                end(running);
            }
        }
        try {
            AtomicFiles.deleteTemporary(session);
        } catch (UncheckedIOException e) {
            // Something that is just being ended writes there: it goes when the next one is made.
        }
    }
}
