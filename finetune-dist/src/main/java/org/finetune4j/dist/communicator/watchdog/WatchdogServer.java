package org.finetune4j.dist.communicator.watchdog;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The first rank's side: hears all ranks, and tells all of them when one has died, stopped, given up, or is waited for in vain. The
 * first reason counts; all are told the same.
 */
public final class WatchdogServer implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(WatchdogServer.class);

    static final int BEAT_MILLISECONDS = 500;
    private static final int HEAD_START_MILLISECONDS = 200;
    private static final int HELLO_MILLISECONDS = 5000;

    private final ServerSocket server;
    private final String secret;
    private final RankStates states;
    private final Map<Integer, LineConnection> connections = new HashMap<>();
    private @Nullable String failure;
    private boolean over;

    private WatchdogServer(ServerSocket server, String secret, RankStates states) {
        this.server = server;
        this.secret = secret;
        this.states = states;
    }

    /**
     * Begins to listen on a port that is free.
     *
     * @param size how many ranks there are
     * @param secret that ranks know and others do not
     * @param silenceSeconds after which a rank that says nothing is given up
     * @return the server
     * @throws IOException when no port can be had
     */
    public static WatchdogServer start(int size, String secret, double silenceSeconds) throws IOException {
        WatchdogServer server = new WatchdogServer(
                new ServerSocket(0, Math.max(50, size)),
                secret,
                new RankStates(size, Math.round(silenceSeconds * 1e9)));
        daemon("watchdog door", server::listen);
        daemon("watchdog", server::beat);
        return server;
    }

    static void daemon(String name, Runnable body) {
        Thread thread = new Thread(body, name);
        thread.setDaemon(true);
        thread.start();
    }

    /** {@return where ranks find it} */
    public int port() {
        return server.getLocalPort();
    }

    private void listen() {
        while (!server.isClosed()) {
            try {
                Socket socket = server.accept();
                daemon("watchdog ear", () -> serve(socket));
            } catch (IOException e) {
                LOG.debug("watchdog: the door is closed", e);
            }
        }
    }

    private void serve(Socket socket) {
        int rank = -1;
        try (LineConnection connection = new LineConnection(socket)) {
            String hello = connection.receive(HELLO_MILLISECONDS);
            String[] words = hello == null ? new String[0] : hello.split(" ", 4);
            if (words.length < 4 || !words[0].equals("HELLO") || !words[1].equals(secret)) {
                return;
            }
            rank = Integer.parseInt(words[2]);
            synchronized (this) {
                states.hello(rank, words[3], System.nanoTime());
                connections.put(rank, connection);
                connection.send(failure == null ? "ALIVE" : "FAIL " + failure);
            }
            for (String line = connection.receive(0); line != null; line = connection.receive(0)) {
                hear(rank, line);
            }
        } catch (IOException | RuntimeException e) {
            LOG.debug("watchdog: connection of rank {} ended", rank, e);
        }
        if (rank >= 0) {
            disconnected(rank);
        }
    }

    private synchronized void hear(int rank, String line) {
        int blank = line.indexOf(' ');
        String word = blank < 0 ? line : line.substring(0, blank);
        String rest = blank < 0 ? "" : line.substring(blank + 1);
        switch (word) {
            case "AT" -> states.alive(rank, rest, System.nanoTime());
            case "WAIT" -> states.waiting(rank, WaitingRank.parse(rest)).ifPresent(this::fail);
            case "ABORT" -> fail(states.name(rank) + " gave up: " + rest);
            case "BYE" -> {
                if (states.bye(rank)) {
                    over = true;
                    tellAll("END");
                }
            }
            default -> LOG.debug("watchdog: rank {} says {}", rank, line);
        }
    }

    private synchronized void disconnected(int rank) {
        connections.remove(rank);
        states.disconnected(rank).ifPresent(this::fail);
    }

    private void beat() {
        while (!server.isClosed()) {
            synchronized (this) {
                Optional<String> silent = over ? Optional.empty() : states.silent(System.nanoTime());
                silent.ifPresent(this::fail);
                tellAll("ALIVE");
            }
            try {
                Thread.sleep(BEAT_MILLISECONDS);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private synchronized void fail(String reason) {
        if (failure == null && !over) {
            failure = reason;
            // The first rank's process takes the server with it when it ends: the others hear it before.
            for (int rank : List.copyOf(connections.keySet())) {
                if (rank != 0) {
                    tell(rank, "FAIL " + reason);
                }
            }
            daemon("watchdog voice", () -> {
                try {
                    Thread.sleep(HEAD_START_MILLISECONDS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                synchronized (this) {
                    tell(0, "FAIL " + reason);
                }
            });
        }
    }

    private synchronized void tellAll(String line) {
        for (int rank : List.copyOf(connections.keySet())) {
            tell(rank, line);
        }
    }

    private void tell(int rank, String line) {
        LineConnection connection = connections.get(rank);
        if (connection != null) {
            try {
                connection.send(line);
            } catch (IOException e) {
                LOG.debug("watchdog: rank {} does not hear", rank, e);
            }
        }
    }

    @Override
    public void close() {
        try {
            server.close();
        } catch (IOException e) {
            LOG.debug("watchdog: the door does not close", e);
        }
    }
}
