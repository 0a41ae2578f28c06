package org.finetune4j.serve;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The adapters that requests can name. They are read on a thread of their own, while answers go on; those that were not used
 * for longest leave memory when there is too much, and are read again when somebody asks. A request holds the version that it
 * began with. Files that were replaced are another version, which the next request gets.
 */
final class AdapterStore implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(AdapterStore.class);
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*");
    private static final int LONGEST_NAME = 200;

    private final String baseName;
    private final @Nullable AdapterFolder folder;
    private final long mostBytes;
    private final ServerMetrics metrics;
    private final Map<String, Entry> entries = new LinkedHashMap<>();
    private final @Nullable AdapterLoader loader;

    /** Readings that are tried again when memory was given back. */
    private final List<Runnable> withoutRoom = new ArrayList<>();

    private long bytes;
    private long clock;

    /** A name that requests may use. */
    private static final class Entry {
        private final Path directory;
        private @Nullable LoadedAdapter current;
        private @Nullable Reading reading;

        /** Whether the name was taken away, or given to another. */
        private boolean removed;

        /** A version on disk that could not be read, beside one in memory. */
        private AdapterFolder.@Nullable Fingerprint broken;

        private Entry(Path directory) {
            this.directory = directory;
        }
    }

    /** A version that is being read, and the requests that wait for it: each of them counts as a user of it once it is there. */
    private static final class Reading {
        private int waiting;
        private boolean done;
        private boolean wantsRoom;
        private @Nullable LoadedAdapter result;
        private @Nullable RuntimeException failure;
    }

    /** An adapter as lists show it. */
    record Description(String name, String path, boolean loaded, long bytes, int users) {}

    AdapterStore(
            CausalLM model, String baseName, @Nullable AdapterFolder folder, long mostBytes, ServerMetrics metrics) {
        this.baseName = baseName;
        this.folder = folder;
        this.mostBytes = mostBytes;
        this.metrics = metrics;
        this.loader = folder == null ? null : new AdapterLoader(model, folder, mostBytes);
        metrics.gauge("adapters.loaded", "adapters in memory", this::loaded);
        metrics.gauge("adapters.bytes", "what adapters in memory take", this::bytes);
    }

    /** The use of one version, until it is closed; closing twice is fine. */
    final class Lease implements AutoCloseable {
        private final LoadedAdapter adapter;
        private final AtomicBoolean released = new AtomicBoolean();

        private Lease(LoadedAdapter adapter) {
            this.adapter = adapter;
        }

        LoadedAdapter adapter() {
            return adapter;
        }

        @Override
        public void close() {
            if (released.compareAndSet(false, true)) {
                release(adapter);
            }
        }
    }

    /** What there are adapters with: none are without. */
    private AdapterFolder folder() {
        return Objects.requireNonNull(folder);
    }

    private AdapterLoader loader() {
        return Objects.requireNonNull(loader);
    }

    /** Does beforehand, beside everything else, what reading an adapter takes the first times. */
    void rehearse() {
        if (loader != null) {
            loader.rehearse();
        }
    }

    /** Offers every adapter of the folder under its path, to be read when somebody asks. */
    synchronized void offerAll() {
        AdapterFolder from = folder;
        if (from != null) {
            for (Path directory : from.adapters()) {
                String name = from.nameOf(directory);
                if (name.equals(baseName)) {
                    throw new UserErrorException("--offer-all: there is an adapter '" + name
                            + "', as the base model is called: call that something else with --name");
                }
                entries.put(name, new Entry(directory));
            }
        }
    }

    /** Reads an adapter under a name, in place of the one that has it. */
    Description load(String name, String path, long deadline) {
        if (folder == null) {
            throw ApiException.invalid(null, "the server was started without a folder of adapters (--adapters FOLDER)");
        }
        if (name.length() > LONGEST_NAME || !NAME.matcher(name).matches() || name.equals(baseName)) {
            throw ApiException.invalid(
                    "name",
                    "'" + Reasons.excerpt(name)
                            + "' cannot be the name of an adapter: expected letters, digits and . _ - (up to "
                            + LONGEST_NAME
                            + "), in parts that / divides and a letter or digit begins, and not the base model's name");
        }
        Entry entry = new Entry(folder.resolve(path));
        LoadedAdapter loaded = await(entry, deadline, null);
        try {
            synchronized (this) {
                Entry before = entries.put(name, entry);
                remove(before);
                return describe(name, entry);
            }
        } finally {
            release(loaded);
        }
    }

    /** Takes a name away; requests that use the adapter end with it. */
    synchronized void unload(String name) {
        Entry entry = entries.remove(name);
        if (entry == null) {
            if (name.equals(baseName)) {
                throw ApiException.invalid("name", "'" + name + "' is the base model: only adapters can be taken away");
            }
            throw unknown(name, "name");
        }
        remove(entry);
    }

    private synchronized void remove(@Nullable Entry entry) {
        if (entry != null) {
            entry.removed = true;
            retire(entry);
        }
    }

    private void retire(Entry entry) {
        LoadedAdapter old = entry.current;
        entry.current = null;
        retire(old);
    }

    private void retire(@Nullable LoadedAdapter old) {
        if (old != null) {
            old.retired = true;
            freeIfUnused(old);
            tryAgain();
        }
    }

    /** The version of an adapter that a new request is answered by. */
    Lease acquire(String name, long deadline) {
        long start = System.nanoTime();
        Entry entry;
        synchronized (this) {
            entry = entries.get(name);
            if (entry == null) {
                throw unknown(name, "model");
            }
        }
        AdapterFolder.Fingerprint onDisk = folder().fingerprint(entry.directory);
        LoadedAdapter current = inMemory(entry, onDisk);
        if (current != null) {
            metrics.adapterSwitched(System.nanoTime() - start);
            return new Lease(current);
        }
        return new Lease(await(entry, deadline, onDisk));
    }

    /** Begins to use the version in memory, where that is the newest. */
    private synchronized @Nullable LoadedAdapter inMemory(Entry entry, AdapterFolder.@Nullable Fingerprint onDisk) {
        LoadedAdapter current = entry.current;
        boolean newest =
                current != null && (onDisk == null || onDisk.equals(current.version()) || onDisk.equals(entry.broken));
        if (!newest || current == null) {
            return null;
        }
        current.users++;
        current.lastUse = ++clock;
        return current;
    }

    synchronized boolean knows(String name) {
        return entries.containsKey(name);
    }

    synchronized ApiException unknown(String name, String param) {
        List<String> known = new ArrayList<>(entries.keySet());
        known.add(baseName);
        return ApiException.notFound(
                param,
                "model_not_found",
                "there is no model '" + Reasons.excerpt(name) + "'" + Suggestions.didYouMean(name, known));
    }

    synchronized List<Description> list() {
        List<Description> all = new ArrayList<>();
        entries.forEach((name, entry) -> all.add(describe(name, entry)));
        return all;
    }

    private Description describe(String name, Entry entry) {
        LoadedAdapter current = entry.current;
        return new Description(
                name,
                folder().nameOf(entry.directory),
                current != null,
                current == null ? 0 : current.adapter().bytes(),
                current == null ? 0 : current.users);
    }

    /** Waits for an adapter's newest version and begins to use it. */
    private synchronized LoadedAdapter await(Entry entry, long deadline, AdapterFolder.@Nullable Fingerprint onDisk) {
        LoadedAdapter current = inMemory(entry, onDisk);
        if (current != null) {
            return current;
        }
        Reading reading = entry.reading;
        if (reading == null) {
            reading = new Reading();
            entry.reading = reading;
            Reading started = reading;
            loader().execute(() -> read(entry, started));
        }
        reading.waiting++;
        Reading awaited = reading;
        try {
            waitFor(awaited, deadline);
        } catch (ApiException e) {
            reading.waiting--;
            throw e;
        }
        LoadedAdapter result = reading.result;
        if (result == null) {
            throw Objects.requireNonNull(reading.failure);
        }
        if (reading.failure != null) {
            entry.broken = onDisk;
        }
        return result;
    }

    private synchronized void waitFor(Reading reading, long deadline) {
        try {
            while (!reading.done) {
                long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
                if (left <= 0) {
                    throw ApiException.unavailable(
                            reading.wantsRoom
                                    ? "all adapters in memory are in use, and there is no room for another"
                                    : "the adapter was not read in time");
                }
                wait(left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ApiException.unavailable("the server is being stopped");
        }
    }

    /** On the loader's thread. What finds no room lets others go first. */
    private void read(Entry entry, Reading reading) {
        LoadedAdapter loaded = null;
        RuntimeException failure = null;
        try {
            long start = System.nanoTime();
            if (!hasRoom(entry, reading)) {
                return;
            }
            loaded = loader().read(entry.directory);
            requireFits(loaded.adapter().bytes());
            metrics.adapterLoaded(System.nanoTime() - start);
        } catch (ApiException e) {
            failure = e;
            if (loaded != null) {
                loader().free(loaded.adapter());
                loaded = null;
            }
        } catch (UserErrorException e) {
            failure = ApiException.invalid(null, "invalid_adapter", String.valueOf(e.getMessage()));
        } catch (IOException | RuntimeException | InterruptedException | OutOfMemoryError e) {
            LOG.warn("adapter {} cannot be read", entry.directory, e);
            failure = ApiException.internal("the adapter cannot be read: " + Reasons.of(e));
        }
        synchronized (this) {
            LoadedAdapter old = entry.current;
            if (loaded != null) {
                bytes += loaded.adapter().bytes();
                entry.current = loaded;
                entry.broken = null;
            } else if (old != null && failure != null) {
                LOG.warn("adapter {} stays as it was: {}", entry.directory, failure.getMessage());
            }
            LoadedAdapter now = entry.current;
            if (now != null) {
                now.users += reading.waiting;
                now.lastUse = ++clock;
            }
            reading.result = now;
            reading.failure = failure;
            reading.done = true;
            entry.reading = null;
            if (loaded != null) {
                retire(old);
            }
            if (entry.removed) {
                retire(entry);
            }
            makesRoom(0); // weights that are half as wide on disk take more in memory than was known before
            tryAgain(); // whoever asked for this one may have given up, so that it can give way
            notifyAll();
        }
    }

    /** Whether an adapter can be read now; else it is tried again when others have given memory back. */
    private boolean hasRoom(Entry entry, Reading reading) {
        AdapterFolder.Fingerprint onDisk = folder().fingerprint(entry.directory);
        if (onDisk == null) {
            return true; // reading says what is wrong
        }
        requireFits(onDisk.weightBytes());
        synchronized (this) {
            if (reading.waiting == 0) {
                entry.reading = null; // whoever asked for it has given up
                return false;
            }
            reading.wantsRoom = !makesRoom(onDisk.weightBytes());
            if (reading.wantsRoom) {
                withoutRoom.add(() -> read(entry, reading));
            }
            return !reading.wantsRoom;
        }
    }

    /** Memory may have been given back. */
    private void tryAgain() {
        List<Runnable> all = List.copyOf(withoutRoom);
        withoutRoom.clear();
        if (!loader().isStopped()) {
            all.forEach(loader()::execute);
        }
    }

    private void requireFits(long needed) {
        if (needed > mostBytes) {
            throw ApiException.invalid(
                    "path", "the adapter has " + needed + " bytes, and all adapters in memory may have " + mostBytes);
        }
    }

    /** Takes unused adapters out of memory, those first that were not used for longest; says whether there is room now. */
    private boolean makesRoom(long needed) {
        while (bytes + needed > mostBytes) {
            Entry oldest = entries.values().stream()
                    .filter(entry -> entry.current != null && entry.current.users == 0)
                    .min(Comparator.comparingLong(entry -> Objects.requireNonNull(entry.current).lastUse))
                    .orElse(null);
            if (oldest == null) {
                return false;
            }
            retire(oldest);
        }
        return true;
    }

    private synchronized void release(LoadedAdapter adapter) {
        adapter.users--;
        freeIfUnused(adapter);
        tryAgain();
    }

    /** Gives back the memory of a version that nobody can ask for any more. */
    private void freeIfUnused(LoadedAdapter adapter) {
        if (adapter.retired && adapter.users == 0) {
            bytes -= adapter.adapter().bytes();
            loader().free(adapter.adapter());
        }
    }

    private synchronized double loaded() {
        return entries.values().stream().filter(entry -> entry.current != null).count();
    }

    private synchronized double bytes() {
        return bytes;
    }

    /** Frees all adapters. No request is under way any more. */
    @Override
    public void close() {
        if (loader == null) {
            return;
        }
        loader.stop();
        synchronized (this) {
            entries.values().forEach(this::remove);
            entries.clear();
        }
        loader.close();
    }
}
