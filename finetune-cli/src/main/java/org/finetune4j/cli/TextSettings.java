package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.FilePatterns;
import org.finetune4j.data.TextDataset;
import org.finetune4j.data.TextOptions;
import org.finetune4j.data.TextPacking;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.model.Tokenizer;
import org.jspecify.annotations.Nullable;

/** How plain text is cut into samples. */
record TextSettings(TextPacking packing, @Nullable String documentSeparator, String textField) {

    /** The settings where the data is one file of plain text, to be continued; null where it is records. */
    static @Nullable TextSettings of(Settings settings, List<DatasetSpec> training) {
        String separator = settings.text("document_separator").orElse(null);
        String field = settings.text("text_field").orElse("text");
        boolean text = training.size() == 1 && isText(training.get(0));
        if (!text) {
            return null;
        }
        return new TextSettings(
                settings.flag("packing", true) ? TextPacking.CONCATENATE : TextPacking.PER_DOCUMENT, separator, field);
    }

    private static boolean isText(DatasetSpec spec) {
        boolean one = spec.paths().size() == 1
                && spec.sql() == null
                && spec.templates().isEmpty();
        boolean textFile = spec.format() == null
                && spec.paths().stream().allMatch(path -> path.endsWith(".txt") || path.endsWith(".text"));
        return one && ("text".equals(spec.format()) || textFile);
    }

    /** A file of plain text as samples. */
    TrainingDataset load(List<DatasetSpec> specs, int blockSize, Tokenizer tokenizer) {
        TextOptions.Builder options =
                TextOptions.builder().blockSize(blockSize).packing(packing).textField(textField);
        if (documentSeparator != null) {
            options.documentSeparator(documentSeparator);
        }
        List<Path> files = FilePatterns.resolve(specs.get(0).paths());
        if (files.size() != 1) {
            throw new UserErrorException(specs.get(0).name() + ": plain text is read from one file, these are "
                    + files.size() + "; put them into one");
        }
        return TextDataset.load(files.get(0), tokenizer, options.build());
    }
}
