package org.finetune4j.train.objective;

import java.util.List;

/**
 * Numbers of an evaluation that belong side by side, such as the calibration of predictions.
 *
 * @param title what it shows
 * @param columns what the numbers of a row are
 * @param rows as many numbers each as there are columns
 */
public record ScoreTable(String title, List<String> columns, List<List<Double>> rows) {

    /**
     * Copies the lists.
     *
     * @param title what it shows
     * @param columns what the numbers of a row are
     * @param rows as many numbers each as there are columns
     * @throws IllegalArgumentException when a row has another length
     */
    public ScoreTable {
        columns = List.copyOf(columns);
        rows = rows.stream().map(List::copyOf).toList();
        for (List<Double> row : rows) {
            if (row.size() != columns.size()) {
                throw new IllegalArgumentException(
                        title + ": a row has " + row.size() + " numbers for " + columns.size() + " columns");
            }
        }
    }
}
