package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DataSharing;
import org.finetune4j.data.FilePatterns;
import org.finetune4j.data.TextDataset;
import org.finetune4j.data.TextOptions;
import org.finetune4j.data.TextPacking;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.model.Tokenizer;
import org.jspecify.annotations.Nullable;

/**
 * How plain text is cut into samples.
 *
 * @param packing whether samples run over the ends of documents
 * @param documentSeparator the line between two documents of a text file, or null
 * @param textField the key of a record's text
 */
record TextSettings(TextPacking packing, @Nullable String documentSeparator, String textField) {

    /**
     * The settings where all data is plain text to be continued, whatever names it: a file, a list, a pattern, a directory;
     * null where it is records.
     */
    static @Nullable TextSettings of(Settings settings, List<DatasetSpec> training) {
        String separator = settings.text("document_separator").orElse(null);
        String field = settings.text("text_field").orElse("text");
        if (!training.stream().allMatch(TextSettings::isText)) {
            return null;
        }
        for (DatasetSpec spec : training) {
            if (spec.weight() != null || spec.maxSamples() > 0 || spec.maxSamplesPerTask() > 0) {
                throw new UserErrorException(settings.origin() + ": " + spec.name()
                        + " is plain text, which is read as a whole: 'weight' and 'max_samples' are for records");
            }
        }
        List<String> fields = training.stream()
                .map(spec -> spec.columns().getOrDefault("text", field))
                .distinct()
                .toList();
        if (fields.size() > 1) {
            throw new UserErrorException(settings.origin() + ": the datasets have their texts under "
                    + String.join(" and ", fields) + "; name one of them otherwise, or train on them apart");
        }
        return new TextSettings(
                settings.flag("packing", true) ? TextPacking.CONCATENATE : TextPacking.PER_DOCUMENT,
                separator,
                fields.get(0));
    }

    private static boolean isText(DatasetSpec spec) {
        if (spec.sql() != null || !spec.templates().isEmpty()) {
            return false;
        }
        return "text".equals(spec.format()) || (spec.format() == null && areTextFiles(spec.paths()));
    }

    private static boolean areTextFiles(List<String> paths) {
        try {
            return FilePatterns.resolve(paths).stream().allMatch(FilePatterns::isPlainText);
        } catch (UserErrorException e) {
            return false; // Said again, with its place, when they are read.
        }
    }

    /** Files of plain text as samples. */
    TextDataset load(List<DatasetSpec> specs, int blockSize, Tokenizer tokenizer, DataSharing sharing) {
        TextOptions.Builder options = TextOptions.builder()
                .blockSize(blockSize)
                .packing(packing)
                .textField(textField)
                .sharing(sharing);
        if (documentSeparator != null) {
            options.documentSeparator(documentSeparator);
        }
        List<Path> files = FilePatterns.resolve(
                specs.stream().flatMap(spec -> spec.paths().stream()).toList());
        return TextDataset.load(files, tokenizer, options.build());
    }
}
