package org.finetune4j.dist.communicator.watchdog;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.finetune4j.Reasons;
import org.finetune4j.dist.communicator.CommunicationException;
import org.jspecify.annotations.Nullable;

/** A rank's side: says that it is there, and hears why it cannot go on. */
public final class WatchdogClient implements AutoCloseable {

    private static final int CONNECT_MILLISECONDS = 3000;
    private static final int ANSWER_MILLISECONDS = 2000;

    private final int rank;
    private final LineConnection connection;
    private final double silenceSeconds;
    private final Supplier<String> operations;
    private final Consumer<String> onFailure;
    private final CountDownLatch heardFailure = new CountDownLatch(1);
    private final CountDownLatch end = new CountDownLatch(1);
    private volatile @Nullable String failure;
    private volatile boolean closed;

    private WatchdogClient(
            int rank,
            LineConnection connection,
            double silenceSeconds,
            Supplier<String> operations,
            Consumer<String> onFailure) {
        this.rank = rank;
        this.connection = connection;
        this.silenceSeconds = silenceSeconds;
        this.operations = operations;
        this.onFailure = onFailure;
    }

    /**
     * Connects to the first rank.
     *
     * @param rank this one
     * @param addresses under which the first rank may be reached, tried in turn
     * @param port where it listens
     * @param secret that ranks know
     * @param where this process is, for messages
     * @param silenceSeconds after which the first rank is given up
     * @param operations how many operations have begun in each group: {@code group number group number ...}
     * @param onFailure told once why this rank cannot go on
     * @return the connection
     * @throws CommunicationException when the first rank cannot be reached
     */
    public static WatchdogClient connect(
            int rank,
            List<String> addresses,
            int port,
            String secret,
            String where,
            double silenceSeconds,
            Supplier<String> operations,
            Consumer<String> onFailure) {
        StringBuilder tried = new StringBuilder();
        for (String address : addresses) {
            Socket socket = new Socket();
            try {
                socket.connect(new InetSocketAddress(address, port), CONNECT_MILLISECONDS);
                LineConnection connection = new LineConnection(socket);
                connection.send("HELLO " + secret + " " + rank + " " + where);
                String answer = connection.receive(CONNECT_MILLISECONDS);
                if (answer != null) {
                    WatchdogClient client = new WatchdogClient(rank, connection, silenceSeconds, operations, onFailure);
                    client.hear(answer);
                    WatchdogServer.daemon("watchdog listener", client::listen);
                    WatchdogServer.daemon("watchdog heart", client::beat);
                    return client;
                }
                tried.append(tried.isEmpty() ? "" : "; ").append(address).append(": no answer");
                connection.close();
            } catch (IOException e) {
                tried.append(tried.isEmpty() ? "" : "; ")
                        .append(address)
                        .append(": ")
                        .append(Reasons.of(e));
            }
        }
        throw new CommunicationException("rank " + rank + " cannot reach rank 0 at port " + port + ": " + tried);
    }

    private void listen() {
        try {
            while (!closed) {
                String line = connection.receive((int) (silenceSeconds * 1000));
                if (line == null) {
                    fail("rank 0 has died");
                    return;
                }
                hear(line);
            }
        } catch (SocketTimeoutException e) {
            fail("rank 0 has said nothing for " + Math.round(silenceSeconds)
                    + " s: it is stopped, or its host or the network is gone");
        } catch (IOException e) {
            fail("rank 0 has died: " + Reasons.of(e));
        }
    }

    private void hear(String line) {
        if (line.startsWith("FAIL ")) {
            fail(line.substring("FAIL ".length()));
        } else if (line.equals("END")) {
            end.countDown();
        }
    }

    private void beat() {
        while (!closed && failure == null) {
            say("AT " + operations.get());
            try {
                Thread.sleep(WatchdogServer.BEAT_MILLISECONDS);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private void say(String line) {
        try {
            connection.send(line);
        } catch (IOException e) {
            fail("rank 0 has died: " + Reasons.of(e));
        }
    }

    private void fail(String reason) {
        synchronized (this) {
            if (failure != null || closed || end.getCount() == 0) {
                return;
            }
            failure = reason;
        }
        heardFailure.countDown();
        onFailure.accept(reason);
    }

    /** {@return why this rank cannot go on, or null while it can} */
    public @Nullable String failure() {
        return failure;
    }

    /**
     * Says that this rank waits, so that the first one looks whom for.
     *
     * @param wait for what
     */
    public void waiting(WaitingRank wait) {
        say("AT " + operations.get());
        say("WAIT " + wait.toLine());
    }

    /**
     * Says that this rank cannot go on.
     *
     * @param reason one line
     */
    public void abort(String reason) {
        say("ABORT " + reason);
        try {
            heardFailure.await(ANSWER_MILLISECONDS, TimeUnit.MILLISECONDS); // the others have heard it by then
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        fail("rank " + rank + " gave up: " + reason);
    }

    /** Says that this rank is done. */
    public void bye() {
        say("BYE");
    }

    /**
     * Waits until all ranks are done.
     *
     * @param milliseconds how long at most
     * @return whether they are
     * @throws InterruptedException when somebody wants this thread to end
     */
    public boolean awaitEnd(long milliseconds) throws InterruptedException {
        return end.await(milliseconds, TimeUnit.MILLISECONDS);
    }

    @Override
    public void close() {
        closed = true;
        connection.close();
    }
}
