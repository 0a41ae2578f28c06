package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.train.arguments.ModelSelection;
import org.jspecify.annotations.Nullable;

/** Measures candidates and soups of them on held-out data by one metric. */
final class SoupScores {

    private static final List<String> LOWER_IS_BETTER = List.of("loss", "perplexity");

    private final Candidates candidates;
    private final @Nullable CausalLM base;
    private final HeldOutOptions heldOut;
    private final String metric;
    private final EvalData records;
    private final ModelSelection selection;
    private final int rank;

    /**
     * @param base the model of adapters, or null where the candidates are models
     * @param rank that soups of LoRA adapters are compressed to, or 0
     */
    SoupScores(Candidates candidates, @Nullable CausalLM base, HeldOutOptions heldOut, String metric, int rank) {
        this.candidates = candidates;
        this.base = base;
        this.heldOut = heldOut;
        this.metric = metric;
        this.records = heldOut.records(List.of());
        this.selection = heldOut.selection(List.of(metric));
        this.rank = rank;
    }

    /** Whether a smaller value of the metric is the better one. */
    static boolean lowerIsBetter(String metric) {
        return LOWER_IS_BETTER.contains(metric);
    }

    /** A value as a score, of which a higher one is better; and back. */
    double score(double value) {
        return lowerIsBetter(metric) ? -value : value;
    }

    /** The metric of one candidate alone. */
    double alone(int candidate) {
        return measure(candidates.directories().get(candidate));
    }

    /** The metric of the uniform soup of some candidates. */
    double soup(List<Integer> chosen) {
        Path directory = AtomicFiles.temporaryDirectory("soup");
        try {
            candidates.cook(chosen, rank, directory);
            return measure(directory);
        } finally {
            AtomicFiles.deleteTemporary(directory);
        }
    }

    private double measure(Path directory) {
        if (base == null) {
            try (CausalLM model = CausalLM.load(directory)) {
                return measure(model);
            }
        }
        try (Adapter adapter = AdapterFormat.load(base, directory, false)) {
            return measure(base);
        }
    }

    private double measure(CausalLM model) {
        TrainingDataset samples = records.load(model).samples();
        return heldOut.evaluate(model, samples, selection).metric(metric);
    }
}
