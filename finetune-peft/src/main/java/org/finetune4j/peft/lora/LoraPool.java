package org.finetune4j.peft.lora;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.nn.RowGroups;
import org.finetune4j.strategy.PooledAdapter;
import org.finetune4j.strategy.RowAdapterPool;

/**
 * LoRA adapters that come and go while a model answers. All layers that see rows are places of adapters from the start, so that
 * loading one waits for no pass, and no pass for it.
 */
final class LoraPool implements RowAdapterPool {

    private final LoraPlaces places;
    private final Function<Path, LoraAdapter> reader;
    private final AtomicInteger next = new AtomicInteger();

    /** @param reader reads a stored adapter without enabling it */
    LoraPool(CausalLM model, Function<Path, LoraAdapter> reader) {
        this.reader = reader;
        this.places = new LoraPlaces(model);
        places.addAll();
        places.extend();
    }

    @Override
    public PooledAdapter load(Path directory) {
        LoraAdapter adapter = reader.apply(directory);
        int number = next.getAndIncrement();
        try {
            String name = directory.getFileName().toString();
            requireFinite(name, adapter);
            places.add(number, name, adapter);
        } catch (RuntimeException e) {
            adapter.close();
            throw e;
        }
        return new Loaded(number, adapter);
    }

    /** Rows of several adapters are computed together: what is no number in one would reach the others. */
    private static void requireFinite(String name, LoraAdapter adapter) {
        adapter.parametersByKey().forEach((key, parameter) -> {
            if (!parameter.value().isFinite()) {
                throw new UserErrorException(
                        name + ": " + key + " has values that are NaN or infinite: the adapter cannot be used");
            }
        });
    }

    @Override
    public void close() {
        places.close();
    }

    private final class Loaded implements PooledAdapter {

        private final int number;
        private final LoraAdapter adapter;
        private final long bytes;
        private final RowAdapters rows;
        private final AtomicBoolean closed = new AtomicBoolean();

        private Loaded(int number, LoraAdapter adapter) {
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
