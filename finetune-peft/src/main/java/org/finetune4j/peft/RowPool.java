package org.finetune4j.peft;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.nn.RowGroups;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.PooledAdapter;
import org.finetune4j.strategy.RowAdapterPool;
import org.jspecify.annotations.Nullable;

/**
 * Adapters of any method that changes linear layers, which come and go while a model answers. All layers that see rows are places of adapters from the start, so that
 * loading one waits for no pass, and no pass for it.
 */
final class RowPool implements RowAdapterPool {

    private final CausalLM model;
    private final RowPlaces places;
    private final AtomicInteger next = new AtomicInteger();
    private volatile @Nullable PeftMethod last;

    RowPool(CausalLM model) {
        this.model = model;
        this.places = new RowPlaces(model);
        places.addAll();
        places.extend();
    }

    @Override
    public PooledAdapter load(Path directory) {
        PeftAdapter adapter = read(directory);
        int number = next.getAndIncrement();
        try {
            String name = directory.getFileName().toString();
            places.add(number, name, adapter);
        } catch (RuntimeException e) {
            adapter.close();
            throw e;
        }
        return new Loaded(number, adapter);
    }

    private PeftAdapter read(Path directory) {
        try (AdapterFiles files = AdapterFiles.open(directory)) {
            return method(files).aside(model, files);
        }
    }

    /** Mostly the one of the adapter before: all methods need not be asked. */
    private PeftMethod method(AdapterFiles files) {
        Path directory = files.directory();
        PeftMethod before = last;
        if (before != null && before.accepts(files.settings())) {
            return before;
        }
        if (!(AdapterFormat.of(directory) instanceof PeftMethod method)) {
            throw new UserErrorException(
                    directory + ": adapters of this kind cannot be used side by side with others: only PEFT's can");
        }
        last = method;
        return method;
    }

    @Override
    public void close() {
        places.close();
    }

    private final class Loaded implements PooledAdapter {

        private final int number;
        private final PeftAdapter adapter;
        private final long bytes;
        private final RowAdapters rows;
        private final AtomicBoolean closed = new AtomicBoolean();

        private Loaded(int number, PeftAdapter adapter) {
            this.number = number;
            this.adapter = adapter;
            this.bytes = adapter.parametersByKey().values().stream()
                    .mapToLong(Parameter::bytes)
                    .sum();
            this.rows = (count, device) -> {
                if (closed.get()) {
                    throw new IllegalStateException("adapter used after close");
                }
                int[] all = IntStream.range(0, count).toArray();
                return new RowGroups(places, List.of(RowGroups.Group.of(number, all, device)));
            };
        }

        @Override
        public RowAdapters rows() {
            return rows;
        }

        @Override
        public long bytes() {
            return bytes;
        }

        @Override
        public void close() {
            if (closed.compareAndSet(false, true)) {
                places.remove(number);
                adapter.close();
            }
        }
    }
}
