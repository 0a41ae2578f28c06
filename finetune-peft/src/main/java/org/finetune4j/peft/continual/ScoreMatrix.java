package org.finetune4j.peft.continual;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The scores of all tasks before the first one was learned and after each: row 0 is the base, row i what the model scores after
 * task i. Averages and backward transfer are those of Lopez-Paz and Ranzato 2017 ("Gradient Episodic Memory for Continual Learning",
 * arXiv:1706.08840), with R for the rows after the base's; forgetting is that of Chaudhry et al. 2018 (arXiv:1801.10112).
 *
 * @param metric what the scores are, such as {@code loss} or {@code exact_match}
 * @param lowerIsBetter whether they are losses; the sign of transfer and forgetting is that of a score of which more is better
 * @param tasks the names, in the order of learning
 * @param rows a score of every task, at most one row more than there are tasks
 */
public record ScoreMatrix(String metric, boolean lowerIsBetter, List<String> tasks, List<List<Double>> rows) {

    /**
     * Copies the lists.
     *
     * @param metric what the scores are
     * @param lowerIsBetter whether they are losses
     * @param tasks the names, in the order of learning
     * @param rows a score of every task, at most one row more than there are tasks
     * @throws IllegalArgumentException when a row has not one score a task, or there are too many
     */
    public ScoreMatrix {
        tasks = List.copyOf(tasks);
        rows = rows.stream().map(List::copyOf).toList();
        int expected = tasks.size();
        if (rows.size() > expected + 1 || rows.stream().anyMatch(row -> row.size() != expected)) {
            throw new IllegalArgumentException("scores of " + expected + " tasks: " + rows);
        }
    }

    ScoreMatrix with(List<Double> row) {
        List<List<Double>> more = new ArrayList<>(rows);
        more.add(row);
        return new ScoreMatrix(metric, lowerIsBetter, tasks, more);
    }

    /**
     * Whether the last task was learned.
     *
     * @return whether all rows are there
     */
    public boolean isComplete() {
        return rows.size() == tasks.size() + 1;
    }

    private double score(int stage, int task) {
        return rows.get(stage + 1).get(task);
    }

    private void requireComplete() {
        if (!isComplete()) {
            throw new IllegalStateException("there are " + rows.size() + " rows for " + tasks.size() + " tasks");
        }
    }

    /**
     * {@code 1/T sum_i R_(T,i)}: the mean score of all tasks in the end, which the paper calls ACC.
     *
     * @return in the metric's own sense
     */
    public double average() {
        requireComplete();
        return rows.get(tasks.size()).stream()
                .mapToDouble(Double::doubleValue)
                .average()
                .orElseThrow();
    }

    /**
     * {@code 1/(T-1) sum_(i<T) (R_(T,i) - R_(i,i))}, BWT: what learning later tasks did to the score of earlier ones.
     *
     * @return negative where they were forgotten, also where the scores are losses; 0 of one task
     */
    public double backwardTransfer() {
        requireComplete();
        int last = tasks.size() - 1;
        double sum = 0;
        for (int task = 0; task < last; task++) {
            sum += sign() * (score(last, task) - score(task, task));
        }
        return last == 0 ? 0 : sum / last;
    }

    /**
     * {@code 1/(T-1) sum_(j<T) (max_(l<T) R_(l,j) - R_(T,j))} over the stages l from j on: how far earlier tasks fell from their best.
     *
     * @return positive where they were forgotten, also where the scores are losses; 0 of one task
     */
    public double forgetting() {
        requireComplete();
        int last = tasks.size() - 1;
        double sum = 0;
        for (int task = 0; task < last; task++) {
            double best = Double.NEGATIVE_INFINITY;
            for (int stage = task; stage < last; stage++) {
                best = Math.max(best, sign() * score(stage, task));
            }
            sum += best - sign() * score(last, task);
        }
        return last == 0 ? 0 : sum / last;
    }

    private int sign() {
        return lowerIsBetter ? -1 : 1;
    }

    /**
     * The matrix as a Markdown table.
     *
     * @return lines without their ends
     */
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add("| " + metric + " of | " + String.join(" | ", tasks) + " |");
        lines.add("|---".repeat(tasks.size() + 1) + "|");
        for (int i = 0; i < rows.size(); i++) {
            StringBuilder line = new StringBuilder("| " + (i == 0 ? "before" : "after " + tasks.get(i - 1)) + " |");
            rows.get(i).forEach(score -> line.append(String.format(Locale.ROOT, " %.4f |", score)));
            lines.add(line.toString());
        }
        if (isComplete()) {
            lines.add(String.format(
                    Locale.ROOT,
                    "average %.4f, forgetting %.4f, backward transfer %.4f",
                    average(),
                    forgetting(),
                    backwardTransfer()));
        }
        return lines;
    }
}
