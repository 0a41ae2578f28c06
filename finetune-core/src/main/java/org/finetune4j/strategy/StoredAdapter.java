package org.finetune4j.strategy;

import java.nio.file.Path;
import java.util.Map;
import org.finetune4j.model.CausalLM;

/**
 * An adapter that was trained before, here or by PEFT, and trains on: it brings its kind and its settings. What it has learned is
 * where the training begins; the optimizer begins anew.
 */
public final class StoredAdapter implements FineTuningStrategy {

    private final Path directory;
    private final FineTuningStrategy kind;

    private StoredAdapter(Path directory, FineTuningStrategy kind) {
        this.directory = directory;
        this.kind = kind;
    }

    /**
     * Looks at an adapter.
     *
     * @param directory with its files
     * @return what trains it on
     * @throws org.finetune4j.UserErrorException when there is none, or it is of no kind that is known
     */
    public static StoredAdapter of(Path directory) {
        return new StoredAdapter(directory, AdapterFormat.of(directory).method(directory));
    }

    @Override
    public String method() {
        return kind.method();
    }

    @Override
    public DeltaKind deltaKind() {
        return kind.deltaKind();
    }

    @Override
    public AttachedStrategy attach(CausalLM model) {
        return AdapterFormat.load(model, directory, true);
    }

    /**
     * What it was when training began, beside the one that trains.
     *
     * @param model it goes onto, without another enabled adapter
     * @return the adapter, enabled, which does not train
     * @throws org.finetune4j.UserErrorException when its files cannot be read any more or do not fit
     */
    public Adapter asStored(CausalLM model) {
        return AdapterFormat.load(model, directory, false);
    }

    @Override
    public double defaultLearningRate() {
        return kind.defaultLearningRate();
    }

    @Override
    public boolean mergesIntoBase() {
        return kind.mergesIntoBase();
    }

    @Override
    public int tasks() {
        return kind.tasks();
    }

    @Override
    public Map<String, Object> settings() {
        return Map.of("adapter_name_or_path", directory.toString());
    }
}
