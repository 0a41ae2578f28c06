package org.finetune4j.train.preflight;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;

/**
 * What looking at a dataset's samples gave.
 *
 * @param looked how many were looked at
 * @param unreadable why samples could not be made, one line each with their place
 * @param unlabelled places of samples without a labelled token
 * @param longest tokens of the longest sample
 * @param longestAt its place
 * @param largestToken the largest token id
 * @param tokens of all samples looked at
 * @param labelled tokens among them that carry a label
 * @param leading how every sample starts
 * @param lastLabelled the last labelled token of every sample that has one
 */
public record SampleSurvey(
        int looked,
        List<String> unreadable,
        List<String> unlabelled,
        int longest,
        String longestAt,
        int largestToken,
        long tokens,
        long labelled,
        List<Start> leading,
        List<Integer> lastLabelled) {

    /** How a sample starts. */
    public record Start(int first, int second, String location) {}

    /** @param limit samples to look at, spread over all of them; 0 for all */
    public static SampleSurvey of(TrainingDataset dataset, int limit) {
        int looked = limit == 0 ? dataset.size() : Math.min(limit, dataset.size());
        List<String> unreadable = new ArrayList<>();
        List<String> unlabelled = new ArrayList<>();
        List<Start> starts = new ArrayList<>();
        List<Integer> ends = new ArrayList<>();
        int longest = 0;
        String longestAt = "";
        int largest = 0;
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
            int[] ids = sample.inputIds();
            if (sample.labelledTokens() == 0) {
                unlabelled.add(dataset.location(index));
            }
            if (ids.length > longest) {
                longest = ids.length;
                longestAt = dataset.location(index);
            }
            for (int id : ids) {
                largest = Math.max(largest, id);
            }
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
                looked, unreadable, unlabelled, longest, longestAt, largest, tokens, labelled, starts, ends);
    }
}
