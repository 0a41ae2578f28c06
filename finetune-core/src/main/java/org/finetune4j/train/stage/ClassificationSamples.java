package org.finetune4j.train.stage;

import com.google.common.primitives.ImmutableIntArray;
import java.util.List;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.classify.TextPair;
import org.finetune4j.classify.TextPairTokenizer;
import org.finetune4j.classify.TextPairTokenizer.Tokens;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.TruncationPolicy;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.LabelledText;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ProblemType;
import org.finetune4j.train.objective.Classification;

/**
 * Texts with what they are, as samples: the tokens that the tokenizer makes of a text, or of two, with what it puts around
 * them, as transformers does.
 */
final class ClassificationSamples implements TrainingDataset {

    private static final Set<String> VECTOR = Set.of("0", "1", "0.0", "1.0");

    private final ExampleDataset examples;
    private final TextPairTokenizer tokenizer;
    private final List<String> names;
    private final ProblemType problem;
    private final ImmutableIntArray kept;
    private final IntFunction<Tokens> tokens;

    private ClassificationSamples(
            ExampleDataset examples, CausalLM model, ProblemType problem, SupervisedOptions options) {
        this.examples = examples;
        this.tokenizer = new TextPairTokenizer(model, options.maxLength(), options.truncation());
        this.names = model.config().labelNames();
        this.problem = problem;
        this.tokens = options.sharing()
                .once(
                        examples.size(),
                        this::tokenized,
                        both -> new int[][] {both.first(), both.second()},
                        numbers -> new Tokens(numbers[0], numbers[1]));
        IntStream all = IntStream.range(0, examples.size());
        if (options.truncation() == TruncationPolicy.DROP) {
            all = all.parallel().filter(index -> tokenizer.fits(tokens(index)));
        }
        this.kept = ImmutableIntArray.copyOf(all.toArray());
        if (kept.isEmpty()) {
            throw new UserErrorException("no sample is left: all " + examples.size()
                    + " records have more than max_length " + options.maxLength() + " tokens");
        }
    }

    /**
     * @param model with its labels in its configuration
     * @throws UserErrorException when the first record cannot become a sample, or none is left
     */
    static ClassificationSamples of(
            ExampleDataset examples, CausalLM model, ProblemType problem, SupervisedOptions options) {
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

    private LabelledText record(int record) {
        return (LabelledText) examples.get(record);
    }

    private Tokens tokens(int record) {
        return tokens.apply(record);
    }

    private Tokens tokenized(int record) {
        LabelledText labelled = record(record);
        return tokenizer.tokenize(new TextPair(labelled.text(), labelled.secondText()));
    }

    @Override
    public Sample get(int index) {
        int record = kept.get(index);
        String location = location(index);
        return tokenizer.sample(tokens(record), location).with(Classification.COLUMN, target(record, location));
    }

    private float[] target(int record, String location) {
        List<String> labels = record(record).labels();
        if (problem == ProblemType.REGRESSION) {
            return numbers(labels, location);
        }
        if (problem == ProblemType.SINGLE_LABEL_CLASSIFICATION) {
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
