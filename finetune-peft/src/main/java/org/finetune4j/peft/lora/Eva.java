package org.finetune4j.peft.lora;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.tensor.Tensor;

/**
 * EVA (Paischer et al. 2024, arXiv:2410.07170), as PEFT does it: A starts as the directions that a layer's inputs vary in most
 * on the training data, and ranks go to the layers where a direction explains more.
 */
final class Eva {

    /** PEFT goes on for ever; here directions that do not settle are taken as they are in the end. */
    private static final int MAX_BATCHES = 64;

    private final LoraConfig config;
    private final Map<String, Linear> layers;
    private final Map<String, Integer> most = new LinkedHashMap<>();
    private int budget;

    private Eva(LoraConfig config, Map<String, Linear> layers) {
        this.config = config;
        this.layers = layers;
        layers.forEach((path, layer) -> {
            int rank = config.rankOf(path);
            budget += rank;
            most.put(path, (int) Math.min(Math.rint(rank * config.eva().rho()), (double) layer.inFeatures()));
        });
    }

    /**
     * Runs the model on training data until the directions settle.
     *
     * @return the first A [rank, in] of every layer by its path, in the caller's scope; a layer of rank 0 is missing
     * @throws UserErrorException when a layer sees other rows than tokens, or there are too few of them
     */
    static Map<String, Tensor> starts(
            CausalLM model, LoraConfig config, Map<String, Linear> layers, Iterable<Batch> batches) {
        return new Eva(config, layers).run(model, batches);
    }

    private Map<String, Tensor> run(CausalLM model, Iterable<Batch> batches) {
        for (String path : layers.keySet()) {
            if (path.contains(".experts.")) {
                throw new UserErrorException("init_lora_weights eva: " + path
                        + " is an expert, which does not see every token: leave experts out of target_modules");
            }
        }
        try (InputRecorder recorder = new InputRecorder(model, layers, most)) {
            Map<String, Integer> ranks = most;
            int seen = 0;
            for (Batch batch : batches) {
                if (seen == 0) {
                    recorder.group(batch);
                }
                recorder.look(batch, config.eva().useLabelMask());
                seen++;
                if (layers.keySet().stream().allMatch(path -> recorder.of(path).isKnown())) {
                    ranks = distribution(recorder);
                    if (seen >= MAX_BATCHES || haveSettled(recorder, ranks)) {
                        break;
                    }
                }
            }
            return starts(recorder, ranks);
        }
    }

    private boolean haveSettled(InputRecorder recorder, Map<String, Integer> ranks) {
        return ranks.entrySet().stream().allMatch(entry -> recorder.of(entry.getKey())
                .hasSettled(entry.getValue(), config.eva().tau()));
    }

    /** The directions that explain most, wherever they are, until all ranks are given away. */
    private Map<String, Integer> distribution(InputRecorder recorder) {
        record Direction(String path, double share) {}
        List<Direction> all = new ArrayList<>();
        most.forEach((path, limit) -> {
            double[] shares = recorder.of(path).explainedVariance();
            for (int i = 0; i < Math.min(shares.length, limit); i++) {
                all.add(new Direction(path, shares[i]));
            }
        });
        all.sort(Comparator.comparingDouble((Direction direction) -> -direction.share()));
        Map<String, Integer> ranks = new LinkedHashMap<>();
        layers.keySet().forEach(path -> ranks.put(path, 0));
        all.subList(0, Math.min(budget, all.size()))
                .forEach(direction -> ranks.merge(direction.path(), 1, Integer::sum));
        return ranks;
    }

    private Map<String, Tensor> starts(InputRecorder recorder, Map<String, Integer> ranks) {
        Map<String, Tensor> starts = new LinkedHashMap<>();
        ranks.forEach((path, rank) -> {
            InputComponents components = recorder.of(path);
            if (!components.isKnown()) {
                throw new UserErrorException(
                        "init_lora_weights eva: the training data have fewer labelled tokens than the "
                                + most.get(path) + " directions of " + path
                                + ": lower r or rho, or set use_label_mask to false in eva_config");
            }
            if (rank > 0) {
                starts.put(
                        path, components.directions(rank, config.eva().whiten()).copy());
            }
        });
        return starts;
    }

    /** The settings with the ranks that the data gave, each layer named, so that the adapter's file says it all. */
    static LoraConfig redistributed(LoraConfig config, Map<String, Linear> layers, Map<String, Tensor> starts) {
        Map<String, Integer> ranks = new LinkedHashMap<>();
        Map<String, Double> alphas = new LinkedHashMap<>();
        starts.forEach((path, start) -> {
            int rank = (int) start.size(0);
            double alpha = config.alphaOf(path);
            if (rank != config.rankOf(path) && config.eva().adjustScalingFactors()) {
                alpha = alpha * rank / config.rankOf(path);
            }
            if (rank != config.rank()) {
                ranks.put(path, rank);
            }
            if (alpha != config.loraAlpha()) {
                alphas.put(path, alpha);
            }
        });
        return config.withRanks(ranks, alphas, starts.size() == layers.size() ? null : List.copyOf(starts.keySet()));
    }
}
