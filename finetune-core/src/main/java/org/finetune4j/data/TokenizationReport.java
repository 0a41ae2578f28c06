package org.finetune4j.data;

import java.util.List;

/**
 * What tokenising a whole dataset gave.
 *
 * @param samples samples that can be trained on
 * @param truncated how many of them were cut
 * @param dropped records left out because they are too long
 * @param failed records that cannot be trained on
 * @param tokens tokens of all samples
 * @param labelledTokens tokens that a loss is computed for
 * @param longest tokens of the longest sample
 * @param problems why records failed, one line each with file and line; the first ones
 */
public record TokenizationReport(
        int samples,
        int truncated,
        int dropped,
        int failed,
        long tokens,
        long labelledTokens,
        int longest,
        List<String> problems) {

    /**
     * Copies the problems.
     *
     * @param samples samples that can be trained on
     * @param truncated how many of them were cut
     * @param dropped records left out because they are too long
     * @param failed records that cannot be trained on
     * @param tokens tokens of all samples
     * @param labelledTokens tokens that a loss is computed for
     * @param longest tokens of the longest sample
     * @param problems why records failed, one line each with file and line; the first ones
     */
    public TokenizationReport {
        problems = List.copyOf(problems);
    }
}
