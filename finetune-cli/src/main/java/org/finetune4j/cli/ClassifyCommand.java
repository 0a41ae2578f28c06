package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.classify.TextClassifier;
import org.finetune4j.classify.TextPair;
import org.finetune4j.classify.TextScores;
import org.finetune4j.classify.TextScores.LabelScore;
import org.finetune4j.data.BadRecordPolicy;
import org.finetune4j.data.BadRecords;
import org.finetune4j.data.ReadOptions;
import org.finetune4j.data.RecordFiles;
import org.finetune4j.data.RecordSource;
import org.finetune4j.data.TruncationPolicy;
import org.finetune4j.data.format.ClassificationFormat;
import org.finetune4j.data.format.LabelledText;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Says what texts are. */
@Command(
        name = "classify",
        mixinStandardHelpOptions = true,
        description =
                "Says what texts are, by a classifier or a reward model; prints a line a text: its labels with their"
                        + " probabilities, or the number.")
final class ClassifyCommand implements Callable<Integer> {

    /** Texts whose tokens are in memory at once. */
    private static final int CHUNK = 256;

    @Mixin
    private ModelOptions model;

    @Option(names = "--text", paramLabel = "TEXT", description = "A text; repeatable.")
    private List<String> texts = new ArrayList<>();

    @Option(names = "--texts-file", paramLabel = "FILE", description = "More texts, one a line.")
    private @Nullable Path textsFile;

    @Option(
            names = "--data",
            paramLabel = "FILE",
            description =
                    "Records with a text (or sentence), and a text_pair where there are two, in any file that training reads.")
    private List<String> data = new ArrayList<>();

    @Option(
            names = "--max-length",
            paramLabel = "N",
            description = "The most tokens, as in the training (default: as many as the model sees).")
    private @Nullable Integer maxLength;

    @Option(
            names = "--truncation",
            defaultValue = "right",
            paramLabel = "WAY",
            description =
                    "What becomes of longer texts: right or left cut that end off, error (default: ${DEFAULT-VALUE}).")
    private TruncationPolicy truncation;

    @Option(names = "--json", description = "Print one JSON line a text, with the scores of all labels.")
    private boolean json;

    @Override
    public Integer call() {
        if (maxLength != null && maxLength < 1) {
            throw new UserErrorException("--max-length is " + maxLength + ", expected at least 1");
        }
        if (truncation == TruncationPolicy.DROP) {
            throw new UserErrorException("--truncation drop leaves texts out: expected right, left or error");
        }
        List<String> plain = new ArrayList<>(texts);
        if (textsFile != null) {
            InputFiles.text(textsFile).lines().filter(line -> !line.isBlank()).forEach(plain::add);
        }
        RecordSource records = data.isEmpty() ? null : records();
        if (plain.isEmpty() && records == null) {
            throw new UserErrorException("there is nothing to classify: expected --text, --texts-file or --data");
        }
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try (CausalLM loaded = model.load();
                Adapter adapter = model.attachAdapter(loaded, false)) {
            TextClassifier classifier = TextClassifier.of(
                    loaded, maxLength == null ? loaded.network().maxPositions() : maxLength, truncation);
            classify(classifier, plain.size(), index -> new TextPair(plain.get(index)), out);
            if (records != null) {
                classify(
                        classifier,
                        records.size(),
                        index -> pair(ClassificationFormat.unlabelled(records.get(index))),
                        out);
            }
        }
        return 0;
    }

    private RecordSource records() {
        return RecordFiles.open(
                data, ReadOptions.defaults(), ClassificationFormat::unlabelled, new BadRecords(BadRecordPolicy.ERROR));
    }

    private static TextPair pair(LabelledText record) {
        return new TextPair(record.text(), record.secondText());
    }

    private void classify(TextClassifier classifier, int count, IntFunction<TextPair> texts, PrintStream out) {
        for (int start = 0; start < count; start += CHUNK) {
            List<TextPair> chunk = IntStream.range(start, Math.min(count, start + CHUNK))
                    .mapToObj(texts)
                    .toList();
            List<TextScores> scores = classifier.classifyPairs(chunk);
            for (int i = 0; i < chunk.size(); i++) {
                out.println(json ? line(chunk.get(i), scores.get(i)) : shown(scores.get(i)));
            }
        }
    }

    private static String shown(TextScores scores) {
        List<LabelScore> holding = scores.holding();
        return holding.isEmpty()
                ? "none"
                : holding.stream()
                        .map(label -> String.format(Locale.ROOT, "%s %.4f", label.label(), label.score()))
                        .collect(Collectors.joining(", "));
    }

    private static String line(TextPair texts, TextScores scores) {
        ObjectNode line = Json.object();
        line.put("text", texts.text());
        if (!texts.secondText().isEmpty()) {
            line.put("text_pair", texts.secondText());
        }
        ArrayNode labels = line.putArray("labels");
        scores.holding().forEach(label -> labels.add(label.label()));
        ObjectNode all = line.putObject("scores");
        scores.scores().forEach(label -> all.put(label.label(), label.score()));
        return Json.write(line);
    }
}
