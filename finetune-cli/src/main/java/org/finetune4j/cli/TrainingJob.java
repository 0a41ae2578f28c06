package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AddedTokens;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.quant.Quantization;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.strategy.StrategyProvider;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingArguments;

/**
 * What a configuration asks for, every key checked.
 *
 * @param previews held-out prompts to answer before and after training
 */
record TrainingJob(
        String modelNameOrPath,
        LoadOptions loadOptions,
        FineTuningStrategy strategy,
        DataJob data,
        TrainingArguments arguments,
        Path outputDirectory,
        List<String> reportTo,
        int previews,
        int threads) {

    private static final List<String> REPORTS = List.of("html", "tensorboard", "none");

    /**
     * Reads a configuration.
     *
     * @throws UserErrorException for the first key that is unknown, missing or has a value that cannot be used
     */
    static TrainingJob of(Settings settings) {
        String stage = settings.text("stage").orElse("sft");
        if (!stage.equals("sft")) {
            throw new UserErrorException(settings.origin() + ": 'stage' is " + stage + ", expected sft");
        }
        String model = settings.requiredText("model_name_or_path");
        Path output = Path.of(settings.requiredText("output_dir"));
        FineTuningStrategy strategy =
                StrategyProvider.named(settings.text("method").orElse("lora")).create(settings);
        TrainingJob job = new TrainingJob(
                model,
                loadOptions(settings).withAddedTokens(addedTokens(settings, strategy)),
                strategy,
                DataJob.of(settings),
                TrainingArgumentsReader.read(settings, output, strategy.defaultLearningRate()),
                output,
                reports(settings),
                settings.integer("num_preview_samples", 3, 0),
                settings.integer("threads", 0, 0));
        settings.refuseUnknown();
        return job;
    }

    private static LoadOptions loadOptions(Settings settings) {
        Device device = Device.parse(settings.text("device").orElse("auto"));
        Optional<String> dtype = settings.text("dtype");
        if (device.type() == Device.Type.CUDA) {
            // A GPU calculates in the type that the rest of the model is stored in.
            dtype = dtype.or(() -> settings.text("bnb_4bit_compute_dtype"));
        }
        return new LoadOptions(device, dtype.map(DType::parse).orElse(null))
                .withCompression(
                        Quantization.of(settings).map(Quantization::compression).orElse(null));
    }

    /** An adapter does not hold the new rows and would not fit the base model, so only full models grow in training. */
    private static AddedTokens addedTokens(Settings settings, FineTuningStrategy strategy) {
        AddedTokens added = new AddedTokens(settings.texts("add_tokens"), settings.texts("add_special_tokens"));
        if (!added.isEmpty() && !(strategy instanceof FullFineTuning)) {
            throw new UserErrorException(
                    settings.origin() + ": 'add_tokens' and 'add_special_tokens' need method: full;"
                            + " for an adapter write the larger base model first: ./finetune add-tokens --model "
                            + settings.requiredText("model_name_or_path") + " --output DIR");
        }
        return added;
    }

    /** Where the model lies; from the hub it is downloaded first. */
    Path model() {
        return HubModels.directory(modelNameOrPath);
    }

    /**
     * A fine-tuner with all of this, without listeners.
     *
     * @param loadedData of {@link #data}
     * @param process bytes of the process without the model
     */
    FineTuner tuner(CausalLM loaded, JobData loadedData, long process) {
        FineTuner tuner = FineTuner.of(loaded)
                .strategy(strategy)
                .arguments(arguments)
                .previews(previews)
                .processBytes(process)
                .messages(System.err::println);
        tuner.dataset(loadedData.train().batches());
        JobData.Part heldOut = loadedData.evaluation();
        if (heldOut != null) {
            tuner.evaluation(heldOut.samples());
        }
        return tuner;
    }

    private static List<String> reports(Settings settings) {
        List<String> names = settings.has("report_to") ? settings.texts("report_to") : List.of("html", "tensorboard");
        for (String name : names) {
            if (!REPORTS.contains(name)) {
                throw new UserErrorException(
                        settings.origin() + ": 'report_to' is " + name + Suggestions.didYouMean(name, REPORTS));
            }
        }
        return names;
    }
}
