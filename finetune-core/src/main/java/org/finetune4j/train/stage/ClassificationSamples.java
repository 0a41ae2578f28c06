package org.finetune4j.train.stage;

import com.google.common.primitives.ImmutableIntArray;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.TruncationPolicy;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.LabelledText;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.train.objective.Classification;
import org.finetune4j.train.objective.Classification.Problem;

/**
 * Texts with what they are, as samples: the tokens that the tokenizer makes of a text, or of two, with what it puts around
 * them, as transformers does.
 */
final class ClassificationSamples implements TrainingDataset {

    private static final Set<String> VECTOR = Set.of("0", "1", "0.0", "1.0");

    private final ExampleDataset examples;
    private final Tokenizer tokenizer;
    private final List<String> names;
    private final boolean tellsTextsApart;
    private final Problem problem;
    private final int maxLength;
    private final TruncationPolicy truncation;
    private final ImmutableIntArray kept;
    private final IntFunction<Text> texts;

    private ClassificationSamples(ExampleDataset examples, CausalLM model, Problem problem, SupervisedOptions options) {
        this.examples = examples;
        this.tokenizer = model.tokenizer();
        this.names = model.config().labelNames();
        this.tellsTextsApart = model.network().tokenTypes() > 1;
        this.problem = problem;
        this.maxLength = options.maxLength();
        this.truncation = options.truncation();
        this.texts = options.sharing()
                .once(
                        examples.size(),
                        this::tokenized,
                        text -> new int[][] {text.first, text.second},
                        numbers -> new Text(numbers[0], numbers[1]));
        IntStream all = IntStream.range(0, examples.size());
        if (truncation == TruncationPolicy.DROP) {
            all = all.parallel().filter(index -> fits(text(index)));
        }
        this.kept = ImmutableIntArray.copyOf(all.toArray());
        if (kept.isEmpty()) {
            throw new UserErrorException("no sample is left: all " + examples.size()
                    + " records have more than max_length " + maxLength + " tokens");
        }
    }

    /**
     * @param model with its labels in its configuration
     * @throws UserErrorException when the first record cannot become a sample, or none is left
     */
    static ClassificationSamples of(
            ExampleDataset examples, CausalLM model, Problem problem, SupervisedOptions options) {
        ClassificationSamples samples = new ClassificationSamples(examples, model, problem, options);
        samples.get(0);
        return samples;
    }

    @Override
    public int size() {
        return kept.length();
    }

    @Override
    public String location(int index) {
        return examples.location(kept.get(index));
    }

    /** A text, or two, as tokens without anything around them. */
    private record Text(int[] first, int[] second) {}

    private LabelledText record(int record) {
        return (LabelledText) examples.get(record);
    }

    private Text text(int record) {
        return texts.apply(record);
    }

    private Text tokenized(int record) {
        LabelledText labelled = record(record);
        return new Text(tokenizer.encode(labelled.text(), false), tokenizer.encode(labelled.secondText(), false));
    }

    /** Tokens that stand around one text or two: after each where the tokenizer ends texts, else before each. */
    private int around(Text text) {
        int before = tokenizer.leadingSpecialTokens().length;
        int after = tokenizer.trailingSpecialTokens().length;
        boolean two = text.second.length > 0;
        return before + after + (two ? (after > 0 ? after : before) : 0);
    }

    private boolean fits(Text text) {
        return text.first.length + text.second.length + around(text) <= maxLength;
    }

    @Override
    public Sample get(int index) {
        int record = kept.get(index);
        Text whole = text(record);
        if (whole.first.length == 0) {
            throw new UserErrorException(location(index) + ": the text is empty, there is nothing to classify");
        }
        if (!fits(whole) && truncation == TruncationPolicy.ERROR) {
            throw new UserErrorException(
                    location(index) + ": the text has " + (whole.first.length + whole.second.length)
                            + " tokens and " + around(whole) + " around it, max_length is " + maxLength
                            + "; raise it, or set truncation to right, left or drop");
        }
        Text text = cut(whole, index);
        int[] before = tokenizer.leadingSpecialTokens();
        int[] after = tokenizer.trailingSpecialTokens();
        boolean two = text.second.length > 0;
        int[] ids = joined(before, text.first, after);
        int firstEnds = ids.length;
        if (two) {
            ids = joined(ids, after.length > 0 ? new int[0] : before, joined(text.second, after));
        }
        int[] unlabelled = new int[ids.length];
        Arrays.fill(unlabelled, Sample.IGNORE_INDEX);
        Sample sample = new Sample(ids, unlabelled).with(Classification.COLUMN, target(record, location(index)));
        if (!tellsTextsApart) {
            return sample;
        }
        float[] types = new float[ids.length];
        Arrays.fill(types, firstEnds, types.length, 1);
        return sample.with(Sample.TOKEN_TYPES, types);
    }

    /** What does not fit is taken from the longer text, as the tokenizers library does it. */
    private Text cut(Text text, int index) {
        int room = maxLength - around(text);
        if (room < 1) {
            throw new UserErrorException(location(index) + ": max_length is " + maxLength
                    + ", which leaves no room beside the " + around(text) + " tokens around a text");
        }
        int shorter = Math.min(text.first.length, text.second.length);
        int longer = Math.max(text.first.length, text.second.length);
        if (shorter + longer > room) {
            longer = Math.max(shorter, room - shorter);
        }
        if (shorter + longer > room) {
            shorter = room / 2;
            longer = room - shorter;
        }
        boolean swapped = text.first.length > text.second.length;
        int first = swapped ? longer : shorter;
        int second = swapped ? shorter : longer;
        return new Text(part(text.first, first), part(text.second, second));
    }

    private int[] part(int[] ids, int length) {
        return truncation == TruncationPolicy.LEFT
                ? Arrays.copyOfRange(ids, ids.length - length, ids.length)
                : Arrays.copyOf(ids, length);
    }

    private static int[] joined(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(Arrays::stream).toArray();
    }

    private float[] target(int record, String location) {
        List<String> labels = record(record).labels();
        if (problem == Problem.REGRESSION) {
            return numbers(labels, location);
        }
        if (problem == Problem.SINGLE_LABEL) {
            if (labels.size() != 1) {
                throw new UserErrorException(
                        location + ": the record has " + labels.size()
                                + " labels, expected one class; set problem_type: multi_label_classification where several hold");
            }
            return new float[] {number(labels.get(0), location)};
        }
        float[] target = new float[names.size()];
        if (isVector(labels, location)) {
            for (int i = 0; i < target.length; i++) {
                target[i] = Float.parseFloat(labels.get(i));
            }
            return target;
        }
        for (String label : labels) {
            int number = number(label, location);
            if (target[number] == 1) {
                throw new UserErrorException(location + ": the record names the label '" + label + "' twice; where "
                        + labels + " has a 0 or 1 for each label, set num_labels: " + labels.size()
                        + ", or labels with their names");
            }
            target[number] = 1;
        }
        return target;
    }

    /** Whether it has a 0 or 1 for each label, as transformers' models are given them, rather than the labels that hold. */
    private boolean isVector(List<String> labels, String location) {
        if (labels.size() < 2
                || labels.size() != names.size()
                || !labels.stream().allMatch(VECTOR::contains)) {
            return false;
        }
        if (labels.size() == 2 && labels.stream().distinct().count() == 2) {
            throw new UserErrorException(location + ": " + labels
                    + " may be both labels, or a 0 and a 1 for them: write the names of the labels that hold");
        }
        return true;
    }

    private int number(String label, String location) {
        int named = names.indexOf(label);
        if (named >= 0) {
            return named;
        }
        if (LabelSurvey.isClassNumber(label) && Integer.parseInt(label) < names.size()) {
            return Integer.parseInt(label);
        }
        throw new UserErrorException(location + ": the model has no label '" + label + "'"
                + Suggestions.among(label, names.size() > 20 ? names.subList(0, 20) : names));
    }

    private float[] numbers(List<String> labels, String location) {
        if (labels.size() != names.size()) {
            throw new UserErrorException(
                    location + ": the record has " + labels.size() + " numbers, the model gives " + names.size());
        }
        float[] numbers = new float[labels.size()];
        for (int i = 0; i < numbers.length; i++) {
            try {
                double number = Double.parseDouble(labels.get(i));
                if (Settings.isCalculable(number)) {
                    numbers[i] = (float) number;
                    continue;
                }
            } catch (NumberFormatException e) {
                // Said below.
            }
            throw new UserErrorException(location + ": the label '" + labels.get(i)
                    + "' is no number; set problem_type: single_label_classification for classes");
        }
        return numbers;
    }
}
