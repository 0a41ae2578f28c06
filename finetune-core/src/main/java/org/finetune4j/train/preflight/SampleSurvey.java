package org.finetune4j.train.preflight;

import com.google.common.primitives.Ints;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.train.objective.Objective;

/**
 * What looking at a dataset's samples gave.
 *
 * @param looked how many were looked at
 * @param unreadable why samples could not be made, one line each with their place
 * @param unlabelled places of samples that teach nothing
 * @param lengths tokens of each sample
 * @param longest tokens of the longest sample
 * @param longestAt its place
 * @param longestSequence the most tokens that see each other: of samples that hold several sequences their positions tell
 * @param largestPosition the largest position and where it is
 * @param tokens of all samples looked at
 * @param labelled tokens among them that carry a label
 * @param leading how every sample starts
 * @param lastLabelled the last labelled token of every sample that has one
 * @param shortAnswers runs of labelled tokens of no more than {@value #SHORT} tokens, each once, with where they are
 */
public record SampleSurvey(
        int looked,
        List<String> unreadable,
        List<String> unlabelled,
        List<Integer> lengths,
        int longest,
        String longestAt,
        Largest longestSequence,
        Largest largestPosition,
        long tokens,
        long labelled,
        List<Start> leading,
        List<Integer> lastLabelled,
        Map<List<Integer>, Place> shortAnswers) {

    /** Longer answers say something. */
    static final int SHORT = 4;

    /** Different short answers that are kept; a dataset of labels has few. */
    private static final int KEPT_ANSWERS = 10_000;

    /**
     * The largest of some numbers.
     *
     * @param value the number
     * @param location of the sample that has it
     */
    public record Largest(int value, String location) {

        private static final Largest NONE = new Largest(0, "");

        private Largest with(int[] values, String where) {
            int largest = Arrays.stream(values).max().orElse(0);
            return largest > value ? new Largest(largest, where) : this;
        }
    }

    /**
     * How a sample starts.
     *
     * @param first its first token
     * @param second the next one, or -1
     * @param location where the sample came from
     */
    public record Start(int first, int second, String location) {}

    /**
     * Where something occurs.
     *
     * @param first where it was seen first
     * @param count how often it was seen
     */
    public record Place(String first, int count) {}

    /**
     * Looks at a dataset.
     *
     * @param dataset the samples
     * @param limit samples to look at, spread over all of them; 0 for all
     * @return what was seen
     */
    public static SampleSurvey of(TrainingDataset dataset, int limit) {
        return of(dataset, sample -> sample.labelledTokens() > 0, sample -> {}, limit);
    }

    /** Looks at a dataset for an objective. */
    static SampleSurvey of(TrainingDataset dataset, DecoderModel network, Objective objective, int limit) {
        return of(dataset, objective::teaches, sample -> objective.require(network, sample), limit);
    }

    private static SampleSurvey of(
            TrainingDataset dataset, Predicate<Sample> teaches, Consumer<Sample> require, int limit) {
        int looked = limit == 0 ? dataset.size() : Math.min(limit, dataset.size());
        List<String> unreadable = new ArrayList<>();
        List<String> unlabelled = new ArrayList<>();
        List<Integer> lengths = new ArrayList<>();
        List<Start> starts = new ArrayList<>();
        List<Integer> ends = new ArrayList<>();
        Map<List<Integer>, Place> answers = new LinkedHashMap<>();
        int longest = 0;
        String longestAt = "";
        Largest sequence = Largest.NONE;
        Largest position = Largest.NONE;
        long tokens = 0;
        long labelled = 0;
        for (int i = 0; i < looked; i++) {
            int index = (int) ((long) i * dataset.size() / looked);
            Sample sample;
            try {
                sample = dataset.get(index);
            } catch (UserErrorException e) {
                unreadable.add(String.valueOf(e.getMessage()));
                continue;
            }
            try {
                if (teaches.test(sample)) {
                    require.accept(sample);
                } else {
                    unlabelled.add(dataset.location(index));
                }
            } catch (UserErrorException e) {
                unreadable.add(dataset.location(index) + ": " + e.getMessage());
                continue;
            }
            int[] ids = sample.inputIds();
            if (ids.length > longest) {
                longest = ids.length;
                longestAt = dataset.location(index);
            }
            int[] positions = sample.positionIds();
            if (positions == null) {
                sequence = sequence.with(new int[] {ids.length}, dataset.location(index));
            } else {
                position = position.with(positions, dataset.location(index));
            }
            addShortAnswers(sample, dataset.location(index), answers);
            lengths.add(ids.length);
            tokens += ids.length;
            labelled += sample.labelledTokens();
            starts.add(new Start(ids[0], ids.length > 1 ? ids[1] : -1, dataset.location(index)));
            int last = ids.length - 1;
            while (last >= 0 && sample.labels()[last] == Sample.IGNORE_INDEX) {
                last--;
            }
            if (last >= 0) {
                ends.add(ids[last]);
            }
        }
        return new SampleSurvey(
                looked,
                unreadable,
                unlabelled,
                lengths,
                longest,
                longestAt,
                sequence,
                position,
                tokens,
                labelled,
                starts,
                ends,
                answers);
    }

    private static void addShortAnswers(Sample sample, String location, Map<List<Integer>, Place> answers) {
        int[] labels = sample.labels();
        int start = 0;
        for (int i = 0; i <= labels.length; i++) {
            if (i < labels.length && labels[i] != Sample.IGNORE_INDEX) {
                continue;
            }
            int length = i - start;
            if (length > 0 && length <= SHORT) {
                List<Integer> answer = Ints.asList(Arrays.copyOfRange(sample.inputIds(), start, i));
                if (answers.containsKey(answer) || answers.size() < KEPT_ANSWERS) {
                    answers.merge(
                            answer,
                            new Place(location, 1),
                            (seen, added) -> new Place(seen.first(), seen.count() + added.count()));
                }
            }
            start = i + 1;
        }
    }
}
