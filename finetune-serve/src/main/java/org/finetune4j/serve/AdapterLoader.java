package org.finetune4j.serve;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.PooledAdapter;
import org.finetune4j.strategy.RowAdapterPool;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Brings adapters from their folder into memory, one after another on a thread of its own, each from a copy of its files. */
final class AdapterLoader implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(AdapterLoader.class);

    /** Linux's file system in memory. */
    private static final Path MEMORY = Path.of("/dev/shm");

    /** So often the first adapter is read before anybody asks: by then the virtual machine has compiled most of what that takes. */
    private static final int REHEARSALS = 24;

    /** No more than so much is read for that. */
    private static final long REHEARSED_BYTES = 32L << 20;

    private static final long IDLE_SECONDS = 1;

    private final CausalLM model;
    private final AdapterFolder folder;
    private final long mostBytes;
    private final ExecutorService thread = oneThread();
    private @Nullable RowAdapterPool pool;

    /** Where copies are read from; the thread's own. */
    private @Nullable Path copies;

    private long copied;

    /**
     * @param mostBytes what all adapters in memory may take
     */
    AdapterLoader(CausalLM model, AdapterFolder folder, long mostBytes) {
        this.model = model;
        this.folder = folder;
        this.mostBytes = mostBytes;
    }

    /** A thread that ends when it has nothing to do: OpenMP's team for it would keep others from waiting for work awake. */
    private static ExecutorService oneThread() {
        ThreadPoolExecutor one =
                new ThreadPoolExecutor(1, 1, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> {
                    Thread loader = new Thread(task, "finetune4j-adapters");
                    loader.setDaemon(true);
                    return loader;
                });
        one.allowCoreThreadTimeOut(true);
        return one;
    }

    /** Has something done on the loader's thread, after what it was given before. */
    void execute(Runnable task) {
        thread.execute(task);
    }

    /** Whether nothing more is taken. */
    boolean isStopped() {
        return thread.isShutdown();
    }

    /** Gives an adapter's memory back, after what is being read; at once where nothing is read any more. */
    void free(PooledAdapter adapter) {
        if (thread.isShutdown()) {
            adapter.close();
        } else {
            thread.execute(adapter::close);
        }
    }

    /**
     * Reads an adapter; on the loader's thread.
     *
     * @throws UserErrorException when its files cannot be used, with the name that the folder has for it
     */
    LoadedAdapter read(Path directory) throws IOException, InterruptedException {
        Path copy = nextCopy();
        try {
            AdapterFolder.Fingerprint version = folder.copy(directory, copy);
            PooledAdapter adapter = pool(copy).load(copy);
            try (AdapterDirectory words = AdapterDirectory.open(copy, model.directory())) {
                ChatTemplate template = words.chatTemplate().orElse(null);
                return new LoadedAdapter(adapter, version, template);
            } catch (RuntimeException e) {
                adapter.close();
                throw e;
            }
        } catch (UserErrorException e) {
            String message = String.valueOf(e.getMessage())
                    .replace(copy.toString(), folder.nameOf(directory))
                    .replace(copy.getFileName().toString(), folder.nameOf(directory));
            throw new UserErrorException(message, e);
        } finally {
            deleteLater(copy);
        }
    }

    /** Reads the folder's first adapter some times and forgets it, so that the first request waits no longer than later ones. */
    void rehearse() {
        thread.execute(() -> {
            try {
                folder.first().ifPresent(this::rehearse);
            } catch (UserErrorException e) {
                LOG.debug("no adapter is read beforehand", e);
            }
        });
    }

    private void rehearse(Path directory) {
        AdapterFolder.Fingerprint files = folder.fingerprint(directory);
        if (files != null && files.weightBytes() <= mostBytes) {
            rehearse(directory, Math.min(REHEARSALS, REHEARSED_BYTES / Math.max(1, files.weightBytes())));
        }
    }

    /** One time, and then the others after what came meanwhile. */
    private void rehearse(Path directory, long times) {
        if (times < 1) {
            return;
        }
        try {
            read(directory).adapter().close();
            thread.execute(() -> rehearse(directory, times - 1));
        } catch (RejectedExecutionException e) {
            LOG.debug("the server was closed while the first adapter was read", e);
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            LOG.debug("{} cannot be read; who asks for it is told why", directory, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** When whoever waits has been told; what is left when the server is closed goes with all. */
    private void deleteLater(Path copy) {
        try {
            thread.execute(() -> AtomicFiles.deleteTree(copy));
        } catch (RejectedExecutionException e) {
            LOG.debug("{} is deleted when the server is closed", copy, e);
        }
    }

    /** A new directory below the one that all copies are made in. */
    private Path nextCopy() throws IOException {
        Path all = copies;
        if (all == null) {
            all = inMemory()
                    ? AtomicFiles.temporaryDirectory(MEMORY, "finetune4j-adapters")
                    : AtomicFiles.temporaryDirectory("finetune4j-adapters");
            copies = all;
        }
        return Files.createDirectory(all.resolve("copy" + ++copied));
    }

    /** Whether copies can lie in memory as files: a disk that others write to would hold up the reading. */
    private boolean inMemory() {
        try {
            return Files.isWritable(MEMORY) && Files.getFileStore(MEMORY).getUsableSpace() > mostBytes;
        } catch (IOException e) {
            return false;
        }
    }

    /** Made for the first adapter: while there is none, the model is as it was. */
    private RowAdapterPool pool(Path first) {
        if (pool == null) {
            pool = AdapterFormat.of(first).pool(model);
        }
        return pool;
    }

    /** Waits for what is being read and takes nothing more. */
    void stop() {
        thread.shutdown();
        try {
            if (!thread.awaitTermination(1, TimeUnit.MINUTES)) {
                throw new IllegalStateException("an adapter is still being read");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Leaves the model as it was; no adapter is in memory any more. */
    @Override
    public void close() {
        stop();
        if (pool != null) {
            pool.close();
        }
        if (copies != null) {
            AtomicFiles.deleteTemporary(copies);
        }
    }
}
