package org.finetune4j.dist.communicator.mpi;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import java.io.IOException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.CommunicationException;
import org.finetune4j.dist.communicator.watchdog.WaitingRank;
import org.finetune4j.dist.communicator.watchdog.WatchdogClient;
import org.finetune4j.dist.communicator.watchdog.WatchdogServer;
import org.jspecify.annotations.Nullable;

/**
 * All processes that one mpirun started, as one of them sees them: Open MPI, and the watchdog that Open MPI lacks. MPI waits for a
 * dead rank for ever; here every wait looks at what the watchdog has heard. A process that does not notice it by itself, since it
 * is inside of something else, is ended.
 */
final class MpiWorld {

    /** Silence of a rank that means that it is gone. */
    private static final double SILENCE_SECONDS = 15;

    /** How long a rank that cannot go on may take to end by itself. */
    private static final long GRACE_MILLISECONDS = 15_000;

    private static final long LOOK_AROUND_MILLISECONDS = 100;

    private static final int INTRODUCTION_BYTES = 4096;

    private final OpenMpi mpi;
    private final int rank;
    private final int size;
    private final Duration timeout;
    private final MpiProgress progress;
    private final Queue<MpiRequest> abandoned = new ConcurrentLinkedQueue<>();
    private final Map<String, Long> operations = new ConcurrentHashMap<>();
    private @Nullable WatchdogServer server;
    private @Nullable WatchdogClient watchdog;
    private volatile @Nullable String failure;
    private volatile boolean left;

    private MpiWorld(OpenMpi mpi, Duration timeout) {
        this.mpi = mpi;
        this.timeout = timeout;
        IntByReference number = new IntByReference();
        mpi.check("MPI_Comm_rank", mpi.functions().MPI_Comm_rank(mpi.world(), number));
        this.rank = number.getValue();
        mpi.check("MPI_Comm_size", mpi.functions().MPI_Comm_size(mpi.world(), number));
        this.size = number.getValue();
        this.progress = new MpiProgress(this);
    }

    /** Joins the others; once in a process. */
    static MpiWorld join(Duration timeout) {
        OpenMpi mpi = OpenMpi.load();
        mpi.initialize();
        MpiWorld world = new MpiWorld(mpi, timeout);
        if (world.size > 1) {
            world.watch();
        }
        return world;
    }

    OpenMpi mpi() {
        return mpi;
    }

    int rank() {
        return rank;
    }

    int size() {
        return size;
    }

    Duration timeout() {
        return timeout;
    }

    MpiProgress progress() {
        return progress;
    }

    // ---- the watchdog ----

    private void watch() {
        double silence = Math.min(SILENCE_SECONDS, timeout.toMillis() / 2000.0);
        try (Memory introduction = new Memory(INTRODUCTION_BYTES)) {
            introduction.clear();
            if (rank == 0) {
                byte[] random = new byte[16];
                new SecureRandom().nextBytes(random);
                String secret = HexFormat.of().formatHex(random);
                WatchdogServer started = WatchdogServer.start(size, secret, silence);
                server = started;
                String text = started.port() + " " + secret + " " + addresses();
                introduction.setString(0, text.substring(0, Math.min(text.length(), INTRODUCTION_BYTES - 1)));
            }
            mpi.check(
                    "MPI_Bcast",
                    mpi.functions().MPI_Bcast(introduction, INTRODUCTION_BYTES, mpi.bytes(), 0, mpi.world()));
            String[] words =
                    introduction.getString(0, StandardCharsets.UTF_8.name()).split(" ");
            watchdog = WatchdogClient.connect(
                    rank,
                    List.of(words).subList(2, words.length),
                    Integer.parseInt(words[0]),
                    words[1],
                    "pid " + ProcessHandle.current().pid() + " on " + host(),
                    silence,
                    this::operationsBegun,
                    this::fail);
        } catch (IOException e) {
            throw new UserErrorException("rank 0 cannot listen to the others: " + Reasons.of(e), e);
        }
    }

    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "an unnamed host";
        }
    }

    /** Where other hosts may reach this one: the address that the user names, then those of the network, the own host's last. */
    private static String addresses() throws IOException {
        List<String> all = new ArrayList<>();
        List<String> own = new ArrayList<>();
        String named = System.getenv("MASTER_ADDR");
        if (named != null && !named.isBlank()) {
            all.add(named.strip());
        }
        for (NetworkInterface each : NetworkInterface.networkInterfaces().toList()) {
            if (each.isUp()) {
                each.inetAddresses()
                        .filter(address -> !address.isLinkLocalAddress())
                        .forEach(address -> (each.getName().equals("lo") || address.isLoopbackAddress() ? own : all)
                                .add(address.getHostAddress()));
            }
        }
        all.addAll(own);
        return String.join(" ", all);
    }

    private String operationsBegun() {
        return operations.entrySet().stream()
                .map(each -> each.getKey() + " " + each.getValue())
                .collect(Collectors.joining(" "));
    }

    /** Says that this rank has come to an operation of a group. */
    void began(String group, long number) {
        operations.put(group, number);
    }

    /** Ends what is under way, and after a while the process. */
    private void fail(String reason) {
        if (left) {
            return;
        }
        failure = reason;
        Thread end = new Thread(
                () -> {
                    try {
                        Thread.sleep(GRACE_MILLISECONDS);
                    } catch (InterruptedException e) {
                        return;
                    }
                    System.err.println("rank " + rank + " ends: " + reason);
                    Runtime.getRuntime().halt(1);
                },
                "watchdog end");
        end.setDaemon(true);
        end.start();
    }

    boolean hasFailed() {
        return failure != null;
    }

    /** Keeps the memory of an operation that will not end: MPI may still use it. */
    void abandon(MpiRequest request) {
        abandoned.add(request);
    }

    /** Throws when this rank cannot go on. */
    void requireAlive(String what) {
        String reason = failure;
        if (reason != null) {
            throw new CommunicationException("rank " + rank + " in " + what + ": " + reason);
        }
    }

    void waiting(WaitingRank wait) {
        WatchdogClient client = watchdog;
        if (client != null) {
            client.waiting(wait);
        }
    }

    void abort(String reason) {
        WatchdogClient client = watchdog;
        if (client != null) {
            client.abort(reason);
        } else {
            failure = "rank " + rank + " gave up: " + reason;
        }
    }

    // ---- the end ----

    /** Waits until all ranks are done and leaves MPI. */
    void leave() {
        WatchdogClient client = watchdog;
        try {
            if (client != null) {
                client.bye();
                while (!client.awaitEnd(LOOK_AROUND_MILLISECONDS)) {
                    requireAlive("leave");
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted while other ranks went on", e);
        }
        left = true;
        mpi.check("MPI_Finalize", mpi.functions().MPI_Finalize());
        if (client != null) {
            client.close();
        }
        WatchdogServer own = server;
        if (own != null) {
            own.close();
        }
    }

    /** An address as JNA wants it. */
    static Pointer pointer(long address) {
        return new Pointer(address);
    }
}
