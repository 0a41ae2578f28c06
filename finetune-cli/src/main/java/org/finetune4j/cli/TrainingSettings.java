package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.StoredAdapter;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.stage.StageData;

/**
 * What a configuration asks for, every key checked.
 *
 * @param previews held-out prompts to answer before and after training
 */
record TrainingSettings(
        String modelNameOrPath,
        LoadSettings load,
        FineTuningStrategy strategy,
        DataSettings data,
        TrainingArguments arguments,
        Path outputDirectory,
        ReportSettings reports,
        int previews,
        ParallelSettings parallel) {

    private static final String STORED = "adapter_name_or_path";

    /**
     * Reads a configuration.
     *
     * @throws UserErrorException for the first key that is unknown, missing or has a value that cannot be used
     */
    static TrainingSettings of(Settings settings) {
        TrainingSettings training = read(settings);
        settings.refuseUnknown(training.foreignKeys(settings));
        return training;
    }

    /**
     * Reads a configuration; keys that nobody asked for may be another training's.
     *
     * @throws UserErrorException for the first key that is missing or has a value that cannot be used
     */
    static TrainingSettings read(Settings settings) {
        DataSettings data = DataSettings.of(settings);
        String model = settings.requiredText("model_name_or_path");
        Path output = settings.path("output_dir");
        String method = settings.text("method").orElse("lora");
        if (method.equals(AutoSettings.NAME)) {
            throw settings.invalid(
                    "method", "a method by name: auto is what ./finetune train alone does, for one training");
        }
        FineTuningStrategy strategy = settings.has(STORED)
                ? stored(settings)
                : method(settings, method).create(settings);
        return new TrainingSettings(
                model,
                new LoadSettings(settings, strategy),
                strategy,
                data.withTasks(strategy.tasks()),
                TrainingArgumentsReader.read(settings, output, strategy.defaultLearningRate(), data.stage()),
                output,
                ReportSettings.of(settings),
                settings.integer("num_preview_samples", 3, 0, 1000),
                ParallelSettings.of(settings));
    }

    private static FineTuningMethod method(Settings settings, String name) {
        List<String> names = new ArrayList<>(
                FineTuningMethod.all().stream().map(FineTuningMethod::name).toList());
        if (names.contains(name)) {
            return FineTuningMethod.named(name);
        }
        names.addAll(List.of(FamiliarKeys.QLORA, AutoSettings.NAME));
        throw new UserErrorException(
                settings.origin() + ": 'method': unknown method '" + name + "'" + Suggestions.among(name, names));
    }

    /** An adapter that trains on is of the kind that it is. */
    private static FineTuningStrategy stored(Settings settings) {
        StoredAdapter adapter = StoredAdapter.of(HubModels.directory(settings.requiredText(STORED)));
        String method = settings.text("method").orElse(adapter.method());
        if (!method.equals(adapter.method())) {
            throw settings.invalid("method", adapter.method() + ", which the adapter of " + STORED + " is, or none");
        }
        return adapter;
    }

    /** Judges the keys that this training did not ask for. */
    ForeignKeys foreignKeys(Settings settings) {
        String method = strategy.method()
                + (strategy instanceof StoredAdapter ? " of " + STORED + ", which brings its own" : "");
        return new ForeignKeys(settings.known(), method, data.stage().name());
    }

    /**
     * Where the model lies; from the hub it is downloaded first. The files of the data are looked for before.
     *
     * @throws UserErrorException when the model or a file is not there
     */
    Path model() {
        data.requireFiles();
        return HubModels.directory(modelNameOrPath);
    }

    /**
     * Loads the whole model as the stage needs it.
     *
     * @param directory that {@link #model()} gave
     * @param records that it will learn from
     */
    CausalLM load(Path directory, TrainingRecords records) {
        return load(directory, records, options -> options);
    }

    /**
     * Loads the model as the stage needs it.
     *
     * @param directory that {@link #model()} gave
     * @param records that it will learn from
     * @param share what this rank of several loads of it
     */
    CausalLM load(Path directory, TrainingRecords records, UnaryOperator<LoadOptions> share) {
        // A head that is new starts from the seed, whatever was drawn before.
        try (RandomGenerator.Use random = RandomGenerator.of(arguments.seed()).use()) {
            CausalLM loaded = CausalLM.load(
                    directory, share.apply(data.stage().loading(load.options(), directory, records.train())));
            load.applyTo(loaded);
            return loaded;
        }
    }

    /**
     * A fine-tuner with all of this, without listeners.
     *
     * @param loadedData of {@link #data}
     * @param process bytes of the process without the model
     */
    FineTuner tuner(CausalLM loaded, TrainingData loadedData, long process) {
        FineTuner tuner = FineTuner.of(loaded)
                .strategy(strategy)
                .arguments(arguments)
                .previews(previews)
                .processBytes(process)
                .messages(System.err::println);
        if (reports.runName() != null) {
            tuner.describe("run_name", reports.runName());
        }
        tuner.chatTemplate(loadedData.form());
        tuner.dataset(loadedData.train().batches());
        TrainingData.Part heldOut = loadedData.evaluation();
        if (heldOut != null) {
            tuner.evaluation(heldOut.samples());
        }
        data.stage().settings().forEach(tuner::describe);
        data.stage()
                .configure(
                        tuner,
                        new StageData(
                                loaded,
                                loadedData.train().batches(),
                                loadedData.train().examples(),
                                heldOut == null ? null : heldOut.samples(),
                                heldOut == null ? null : heldOut.examples()));
        return tuner;
    }
}
