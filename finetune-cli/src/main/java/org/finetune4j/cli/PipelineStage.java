package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelWriter;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.FullFineTuning;
import org.jspecify.annotations.Nullable;

/**
 * One training of several in a row.
 *
 * @param name of the stage, and of its directory
 * @param settings all that is set for it
 * @param training what they ask for
 */
record PipelineStage(String name, Settings settings, TrainingSettings training) {

    private static final String MERGED = "merged";
    private static final String RESUME = "resume_from_checkpoint";
    private static final Set<String> PRESENTATION =
            Set.of("report_to", "disable_tqdm", "run_name", "logging_steps", RESUME);

    /** Whether later stages go on from the model that this one trained. */
    boolean continuesAsBase() {
        return training.data().stage().continuesAsBase();
    }

    /** Whether what it leaves is a model already, not an adapter beside one. */
    boolean leavesModel() {
        return training.strategy() instanceof FullFineTuning;
    }

    /** Where the model is that later stages go on from. */
    Path model() {
        return leavesModel()
                ? training.outputDirectory()
                : training.outputDirectory().resolve(MERGED);
    }

    /** Whether later stages need a model that what was trained is folded into; the last one may train what cannot be. */
    boolean leavesAdapter() {
        return continuesAsBase() && !leavesModel() && training.strategy().mergesIntoBase();
    }

    /** Folds the adapter that was saved into its base, for later stages, as one process does with what it has just trained. */
    void writeModel() {
        try (CausalLM base = training.load(training.model(), training.data().records());
                Adapter adapter = AdapterFormat.load(base, training.outputDirectory(), false)) {
            writeModel(adapter, base);
        }
    }

    /** Folds an adapter into its base, for later stages. */
    void writeModel(Adapter adapter, CausalLM base) {
        adapter.merge();
        ModelWriter.of(base).decompressed().write(model());
    }

    /** What must be the same for a stage that was done to count: all but how it is shown. */
    Map<String, String> identity() {
        return identity(settings);
    }

    /** What must be the same for work that was begun with settings to count: all but how it is shown. */
    static Map<String, String> identity(Settings settings) {
        Map<String, String> identity = new LinkedHashMap<>();
        for (Map.Entry<String, @Nullable Object> entry : settings.asMap().entrySet()) {
            if (entry.getValue() != null && !PRESENTATION.contains(entry.getKey())) {
                identity.put(entry.getKey(), String.valueOf(entry.getValue()));
            }
        }
        return identity;
    }

    /** The same training, going on from its last checkpoint. */
    TrainingSettings resumed() {
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        values.putAll(settings.asMap());
        values.put(RESUME, true);
        return TrainingSettings.read(new Settings(settings.origin(), values, settings.written()));
    }
}
