package org.finetune4j.rlhf.preference;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.StageTrainer;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.stage.StageData;
import org.jspecify.annotations.Nullable;

/**
 * Trains a model on preferences: a {@link FineTuner} with the objective of DPO or one of its relatives. With an adapter, the
 * reference model is the same base with the adapter off; it takes no memory of its own.
 *
 * <pre>{@code
 * try (CausalLM model = CausalLM.load("models/SmolLM2-135M");
 *         TrainingResult result = PreferenceTrainer.of(model, PairObjective.dpo(0.1))
 *                 .strategy(Lora.builder().rank(16).targetModules("all-linear").build())
 *                 .dataset(LoadedExamples.open(DatasetSpec.builder().path("preferences.jsonl").build()))
 *                 .evaluationFraction(0.1)
 *                 .arguments(TrainingArguments.builder().learningRate(5e-6).build())
 *                 .train()) {
 *     result.saveAdapter(Path.of("out/dpo"));
 * }
 * }</pre>
 */
public final class PreferenceTrainer extends StageTrainer<PreferenceTrainer> {

    private final @Nullable PairObjective paired;
    private final @Nullable UnpairedObjective unpaired;
    private SampleLayout layout = SampleLayout.DEFAULT;

    private PreferenceTrainer(CausalLM model, @Nullable PairObjective paired, @Nullable UnpairedObjective unpaired) {
        super(model, "a dataset");
        this.paired = paired;
        this.unpaired = unpaired;
    }

    /**
     * Learning from pairs of answers.
     *
     * @param model with a tokenizer, which stays the caller's
     * @param objective such as {@link PairObjective#dpo}
     * @return the trainer
     */
    public static PreferenceTrainer of(CausalLM model, PairObjective objective) {
        return new PreferenceTrainer(model, Objects.requireNonNull(objective, "objective"), null);
    }

    /**
     * Learning from single answers that were found good or bad.
     *
     * @param model with a tokenizer, which stays the caller's
     * @param objective such as {@link UnpairedObjective#kto}
     * @return the trainer
     */
    public static PreferenceTrainer of(CausalLM model, UnpairedObjective objective) {
        return new PreferenceTrainer(model, null, Objects.requireNonNull(objective, "objective"));
    }

    /**
     * How samples lie in rows, and how they come by a reference.
     *
     * @param value shared prompts without padding when nothing is set
     * @return this trainer
     */
    public PreferenceTrainer layout(SampleLayout value) {
        layout = Objects.requireNonNull(value, "layout");
        return this;
    }

    private PreferenceStage stage() {
        Map<String, Object> shown = new LinkedHashMap<>();
        Path output = arguments().outputDirectory();
        SampleLayout own = layout.directory() == null && output != null ? layout.keptIn(output) : layout;
        return paired != null
                ? new PairStage("preference", paired, shown, own)
                : new UnpairedStage(
                        "preference",
                        Objects.requireNonNull(unpaired),
                        arguments().perDeviceTrainBatchSize(),
                        shown,
                        own);
    }

    @Override
    protected TrainingDataset samples(ExampleDataset records, SupervisedOptions forms) {
        PreferenceStage stage = stage();
        stage.require(records);
        return stage.samples(records, model(), forms);
    }

    @Override
    protected void configure(FineTuner training, StageData data) {
        stage().configure(training, data);
    }
}
