package org.finetune4j.peft.auto;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.strategy.FineTuningMethod;

/**
 * What is searched: a grid over methods, sizes, targets and learning rates. A method takes of it what it has keys for: IA3
 * no rank, bottleneck adapters a width and no targets.
 *
 * @param methods as configurations name them
 * @param ranks of low-rank methods, widths of bottlenecks, numbers of virtual tokens
 * @param targets of low-rank methods: {@value #ATTENTION}, {@code all-linear}, or what {@code target_modules} takes
 * @param learningRates of every method
 */
public record SearchSpace(List<String> methods, List<Integer> ranks, List<String> targets, List<Double> learningRates) {

    /** All linear layers of attention, whatever the architecture calls them. */
    public static final String ATTENTION = "attention";

    /** The paths of such layers in every architecture that is known. */
    static final String ATTENTION_PATHS =
            ".*\\.(self_attn|attn|self_attention|attention)\\.(.*\\.)?(\\w*_proj|c_attn|query|key|value|dense|query_key_value)";

    /** The plain training that every search begins with. */
    public static final String PLAIN = "plain";

    /**
     * Copies the lists.
     *
     * @param methods as configurations name them
     * @param ranks of low-rank methods, widths of bottlenecks, numbers of virtual tokens
     * @param targets of low-rank methods
     * @param learningRates of every method
     * @throws UserErrorException when a list is empty, a method is unknown or trains the base's own weights
     */
    public SearchSpace {
        methods = List.copyOf(methods);
        ranks = List.copyOf(ranks);
        targets = List.copyOf(targets);
        learningRates = List.copyOf(learningRates);
        requireSome("methods", methods);
        requireSome("ranks", ranks);
        requireSome("targets", targets);
        requireSome("learning_rates", learningRates);
        methods.forEach(SearchSpace::requireAdapter);
        for (int rank : ranks) {
            if (rank < 1 || rank > Settings.LARGEST_SIZE) {
                throw new UserErrorException(
                        "ranks: " + rank + ", expected whole numbers from 1 to " + Settings.LARGEST_SIZE);
            }
        }
        for (double rate : learningRates) {
            if (!(rate > 0 && rate <= 1e6)) {
                throw new UserErrorException("learning_rates: " + rate + ", expected numbers above 0");
            }
        }
    }

    private static void requireSome(String name, List<?> list) {
        if (list.isEmpty()) {
            throw new UserErrorException(name + ": there is none, expected one at least");
        }
    }

    /** Candidates share one model, one after the other: none may change its weights. */
    private static void requireAdapter(String name) {
        FineTuningMethod method = FineTuningMethod.named(name);
        if (!(method.create(new Settings(name, Map.of())) instanceof PeftStrategy)) {
            throw new UserErrorException(
                    "method " + name
                            + " changes the base's own weights, and candidates share one base: choose methods that make an adapter");
        }
    }

    /**
     * The space that is searched when nobody says another one.
     *
     * @return methods of all kinds
     */
    public static SearchSpace standard() {
        return new SearchSpace(
                List.of("lora", "dora", "ia3", "adapter", "bitfit", "prefix_tuning"),
                List.of(8, 32),
                List.of(ATTENTION, "all-linear"),
                List.of(2e-4, 1e-3, 5e-3));
    }

    /**
     * All candidates in an order that a seed decides: first the plain training, then the methods in turns, so that any number of
     * the first ones has all methods.
     *
     * @param plain settings of the training that nobody searched for: LoRA's, where there are none
     * @param seed decides the order
     * @return candidates of different names
     */
    public List<Candidate> candidates(Map<String, Object> plain, long seed) {
        Random random = new Random(seed);
        List<List<Map<String, Object>>> grids = new ArrayList<>();
        for (String method : methods) {
            List<Map<String, Object>> grid = grid(method);
            Collections.shuffle(grid, random);
            grids.add(grid);
        }
        List<Candidate> all = new ArrayList<>();
        Map<String, Object> first = new LinkedHashMap<>();
        first.put(Candidate.METHOD, "lora");
        first.putAll(plain);
        all.add(new Candidate(PLAIN, first));
        int longest = grids.stream().mapToInt(List::size).max().orElse(0);
        for (int turn = 0; turn < longest; turn++) {
            for (List<Map<String, Object>> grid : grids) {
                if (turn < grid.size()) {
                    Map<String, Object> settings = grid.get(turn);
                    all.add(new Candidate(settings.get(Candidate.METHOD) + "-" + all.size(), settings));
                }
            }
        }
        return all;
    }

    private List<Map<String, Object>> grid(String name) {
        Settings asked = new Settings(name, Map.of());
        FineTuningMethod.named(name).create(asked);
        Set<String> keys = asked.known();
        List<Map<String, Object>> grid = new ArrayList<>();
        String size = keys.contains("r") ? "r" : keys.contains("num_virtual_tokens") ? "num_virtual_tokens" : null;
        if (name.equals("adapter")) {
            size = "bottleneck_size";
        }
        boolean hasTargets = keys.contains("r") && keys.contains("target_modules");
        for (double rate : learningRates) {
            for (int rank : size == null ? ranks.subList(0, 1) : ranks) {
                for (String target : hasTargets ? targets : targets.subList(0, 1)) {
                    Map<String, Object> settings = new LinkedHashMap<>();
                    settings.put(Candidate.METHOD, name);
                    if (size != null) {
                        settings.put(size, rank);
                    }
                    if (keys.contains("lora_alpha")) {
                        settings.put("lora_alpha", 2 * rank);
                    }
                    if (hasTargets) {
                        settings.put("target_modules", target.equals(ATTENTION) ? ATTENTION_PATHS : target);
                    }
                    settings.put(Candidate.LEARNING_RATE, rate);
                    grid.add(settings);
                }
            }
        }
        return grid;
    }

    /**
     * The settings for people: without the long expression.
     *
     * @param settings of a candidate
     * @return the same in words
     */
    static Map<String, Object> inWords(Map<String, Object> settings) {
        Map<String, Object> words = new LinkedHashMap<>(settings);
        words.replaceAll((key, value) -> Objects.equals(value, ATTENTION_PATHS) ? ATTENTION : value);
        return words;
    }
}
