package org.finetune4j.rlhf.preference;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.rlhf.pair.LostEndCheck;
import org.finetune4j.strategy.StoredAdapter;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.stage.Stage;
import org.finetune4j.train.stage.StageData;
import org.jspecify.annotations.Nullable;

/** A stage that learns from preferences, from pairs of answers or from single ones. */
abstract class PreferenceStage implements Stage {

    private final String name;
    private final Map<String, Object> shown;
    private final SampleLayout layout;

    /** @param shown the settings for reports */
    PreferenceStage(String name, Map<String, Object> shown, SampleLayout layout) {
        this.name = name;
        this.shown = new LinkedHashMap<>(shown);
        this.layout = layout;
    }

    abstract ReferencedObjective objective();

    final SampleLayout layout() {
        return layout;
    }

    @Override
    public final String name() {
        return name;
    }

    @Override
    public final Map<String, Object> settings() {
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("stage", name);
        all.putAll(shown);
        return all;
    }

    @Override
    public final void configure(FineTuner tuner, StageData data) {
        List<ReferenceSource.Kept> kept = new ArrayList<>();
        keep(kept, data.train(), "train");
        keep(kept, data.evaluation(), "eval");
        tuner.objective(objective()
                        .with(new ReferenceSource(
                                null, kept, layout.precompute(), tuner.strategy() instanceof StoredAdapter)))
                .paddingFree(layout.joins(data.model()));
        ReferencedSamples samples = ReferencedSamples.in(data.train());
        if (samples != null) {
            tuner.check(new LostEndCheck(samples.source()));
        }
    }

    private void keep(List<ReferenceSource.Kept> kept, @Nullable TrainingDataset dataset, String samples) {
        ReferencedSamples own = ReferencedSamples.in(dataset);
        if (own != null) {
            kept.add(new ReferenceSource.Kept(own, layout.file(samples)));
        }
    }
}
