package org.finetune4j.data.mixture;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.data.TokenizationReport;
import org.finetune4j.data.TokenizedDataset;
import org.finetune4j.data.examples.ExampleDataset;

/**
 * How varied training data is.
 *
 * @param totals counts over all samples
 * @param tasks what each task has, by name, the largest first
 * @param medianLength tokens that half of the samples do not exceed
 * @param length95 tokens that 95% of the samples do not exceed
 */
public record DiversityReport(TokenizationReport totals, Map<String, Share> tasks, int medianLength, int length95) {

    private static final int TASKS_SHOWN = 20;

    /**
     * What a task has of the data.
     *
     * @param samples how many samples are of the task
     * @param tokens of all these samples
     * @param labelledTokens tokens that a loss is computed for
     */
    public record Share(int samples, long tokens, long labelledTokens) {

        private Share plus(int length, int labelled) {
            return new Share(samples + 1, tokens + length, labelledTokens + labelled);
        }
    }

    /**
     * Tokenises everything once and counts.
     *
     * @param examples with their tasks
     * @param samples the samples of {@code examples}
     * @param maxProblems messages about samples that cannot be trained on, at most
     * @return the counts
     */
    public static DiversityReport of(ExampleDataset examples, TokenizedDataset samples, int maxProblems) {
        Map<String, Share> tasks = new LinkedHashMap<>();
        int[] lengths = new int[samples.size()];
        TokenizationReport totals = samples.report(maxProblems, (index, sample) -> {
            lengths[index] = sample.length();
            tasks.compute(
                    examples.task(samples.recordIndex(index)),
                    (task, share) -> (share == null ? new Share(0, 0, 0) : share)
                            .plus(sample.length(), sample.labelledTokens()));
        });
        Map<String, Share> sorted = new LinkedHashMap<>();
        tasks.entrySet().stream()
                .sorted((a, b) ->
                        Integer.compare(b.getValue().samples(), a.getValue().samples()))
                .forEach(task -> sorted.put(task.getKey(), task.getValue()));
        int[] known =
                Arrays.stream(lengths).filter(length -> length > 0).sorted().toArray();
        return new DiversityReport(totals, sorted, percentile(known, 0.5), percentile(known, 0.95));
    }

    /**
     * Of tokens, how many are labelled: 0 to 1.
     *
     * @return the share
     */
    public double labelledShare() {
        return totals.tokens() == 0 ? 0 : (double) totals.labelledTokens() / totals.tokens();
    }

    /**
     * Lines for people.
     *
     * @return the lines, without line ends
     */
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add(String.format(
                Locale.ROOT,
                "%,d samples, %,d tokens, %.1f%% of them trained; lengths: median %,d, 95%% within %,d, longest %,d;"
                        + " %,d truncated, %,d dropped",
                totals.samples(),
                totals.tokens(),
                100 * labelledShare(),
                medianLength,
                length95,
                totals.longest(),
                totals.truncated(),
                totals.dropped()));
        if (tasks.size() > 1) {
            tasks.entrySet().stream()
                    .limit(TASKS_SHOWN)
                    .forEach(task -> lines.add(String.format(
                            Locale.ROOT,
                            "  %s: %,d samples, %,d tokens, %,d trained",
                            task.getKey(),
                            task.getValue().samples(),
                            task.getValue().tokens(),
                            task.getValue().labelledTokens())));
            if (tasks.size() > TASKS_SHOWN) {
                lines.add("  and " + (tasks.size() - TASKS_SHOWN) + " more tasks");
            }
        }
        return lines;
    }

    private static int percentile(int[] sorted, double fraction) {
        return sorted.length == 0 ? 0 : sorted[(int) Math.ceil(fraction * sorted.length) - 1];
    }
}
