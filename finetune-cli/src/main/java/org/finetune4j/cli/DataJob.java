package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.AlpacaTemplate;
import org.finetune4j.data.InstructionDataset;
import org.finetune4j.data.PromptTemplate;
import org.finetune4j.data.StringTemplate;
import org.finetune4j.data.TextDataset;
import org.finetune4j.data.TextOptions;
import org.finetune4j.data.TextPacking;
import org.finetune4j.data.TokenizationOptions;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.TruncationPolicy;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.FineTuner;
import org.jspecify.annotations.Nullable;

/**
 * The data that a configuration names.
 *
 * @param maxLength tokens of a sample, or 0 for as many as the model sees, but 1024 at most
 * @param evaluationFraction part of the training data to hold out where there is no evaluation file
 */
record DataJob(
        Path trainFile,
        @Nullable Path evaluationFile,
        double evaluationFraction,
        Format format,
        int maxLength,
        TruncationPolicy truncation,
        PromptTemplate template,
        TextPacking packing,
        @Nullable String documentSeparator,
        String textField) {

    /** How files are read. */
    enum Format {
        ALPACA,
        TEXT
    }

    static DataJob of(Settings settings) {
        return new DataJob(
                Path.of(settings.requiredText("train_file")),
                settings.text("eval_file").map(Path::of).orElse(null),
                settings.number("eval_fraction", 0, 0, 0.99),
                choice(settings, "dataset_format", Format.values(), Format.ALPACA),
                settings.integer("max_length", 0, 2),
                choice(settings, "truncation", TruncationPolicy.values(), TruncationPolicy.RIGHT),
                template(settings),
                settings.flag("packing", true) ? TextPacking.CONCATENATE : TextPacking.PER_DOCUMENT,
                settings.text("document_separator").orElse(null),
                settings.text("text_field").orElse("text"));
    }

    private static PromptTemplate template(Settings settings) {
        String text = settings.text("prompt_template").orElse("alpaca");
        return text.equals("alpaca") ? new AlpacaTemplate() : StringTemplate.of(text);
    }

    private static <E extends Enum<E>> E choice(Settings settings, String key, E[] values, E fallback) {
        String name = settings.text(key).orElse(fallback.name()).toLowerCase(Locale.ROOT);
        List<String> names = Arrays.stream(values)
                .map(value -> value.name().toLowerCase(Locale.ROOT))
                .toList();
        int index = names.indexOf(name);
        if (index < 0) {
            throw new UserErrorException(
                    settings.origin() + ": '" + key + "' is " + name + Suggestions.didYouMean(name, names));
        }
        return values[index];
    }

    /** The options that make tokens of instructions. */
    TokenizationOptions tokenization(CausalLM model) {
        return TokenizationOptions.builder()
                .maxLength(length(model))
                .truncation(truncation)
                .template(template)
                .build();
    }

    /** Gives a fine-tuner these data. */
    void addTo(FineTuner tuner, CausalLM model) {
        if (format == Format.ALPACA) {
            tuner.dataset(InstructionDataset.load(trainFile)).tokenization(tokenization(model));
            if (evaluationFile != null) {
                tuner.evaluation(InstructionDataset.load(evaluationFile));
            }
        } else {
            tuner.dataset(text(trainFile, model));
            if (evaluationFile != null) {
                tuner.evaluation(text(evaluationFile, model));
            }
        }
        tuner.evaluationFraction(evaluationFraction);
    }

    /** A file of plain text as samples. */
    TrainingDataset text(Path file, CausalLM model) {
        TextOptions.Builder options =
                TextOptions.builder().blockSize(length(model)).packing(packing).textField(textField);
        if (documentSeparator != null) {
            options.documentSeparator(documentSeparator);
        }
        return TextDataset.load(file, model.tokenizer(), options.build());
    }

    private int length(CausalLM model) {
        int longest = model.network().maxPositions();
        if (maxLength > longest) {
            throw new UserErrorException("max_length is " + maxLength + ", but the model sees no more than " + longest
                    + " tokens (max_position_embeddings)");
        }
        return maxLength > 0 ? maxLength : Math.min(TokenizationOptions.DEFAULT_MAX_LENGTH, longest);
    }
}
