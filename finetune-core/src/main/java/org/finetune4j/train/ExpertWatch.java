package org.finetune4j.train;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.finetune4j.train.gradient.ExpertCounts;
import org.finetune4j.train.health.ExpertLoad;

/** Follows where the routers of a mixture of experts send tokens, and warns once of one that has stopped choosing. */
final class ExpertWatch {

    private final ExpertCounts counts;

    /** Since the load was last reported, and since the last look at it. */
    private final Map<Integer, double[]> sinceReport = new TreeMap<>();

    private final Map<Integer, double[]> sinceLook = new TreeMap<>();
    private boolean warned;

    ExpertWatch(int layers, int experts) {
        this.counts = new ExpertCounts(layers, experts);
    }

    /** The counter that every batch adds its tokens of each expert to. */
    ExpertCounts counts() {
        return counts;
    }

    /**
     * A step's batches are through; all ranks call it.
     *
     * @param step its number
     * @param sum adds up numbers over the ranks that share the data, and over those that have other layers
     * @param warnings is given one line for the first router that collapses
     * @return how uneven the step was, by name
     */
    Map<String, Double> step(long step, UnaryOperator<double[]> sum, Consumer<String> warnings) {
        Map<Integer, double[]> own = counts.take(sum);
        add(sinceReport, own);
        add(sinceLook, own);
        ExpertLoad recent = ExpertCounts.load(sinceLook, step);
        if (recent.layers().stream()
                .allMatch(layer -> layer.tokens() >= 32L * layer.shares().size())) {
            sinceLook.clear();
            if (!warned) {
                recent.collapse().ifPresent(line -> {
                    warned = true;
                    warnings.accept("step " + step + ": " + line);
                });
            }
        }
        Map<String, Double> metrics = new LinkedHashMap<>();
        double busiest = 0;
        int idle = 0;
        int all = 0;
        for (ExpertLoad.Layer layer : ExpertCounts.load(own, step).layers()) {
            busiest = Math.max(busiest, layer.shares().get(layer.busiest()));
            idle += layer.idle();
            all += layer.shares().size();
        }
        metrics.put("experts/busiest", busiest);
        metrics.put("experts/idle", (double) idle / Math.max(1, all));
        return metrics;
    }

    /** The load since it was last asked for. */
    ExpertLoad report(long step) {
        ExpertLoad load = ExpertCounts.load(sinceReport, step);
        sinceReport.clear();
        return load;
    }

    private static void add(Map<Integer, double[]> all, Map<Integer, double[]> own) {
        own.forEach((layer, numbers) -> {
            double[] sums = all.computeIfAbsent(layer, added -> new double[numbers.length]);
            for (int i = 0; i < numbers.length; i++) {
                sums[i] += numbers[i];
            }
        });
    }
}
