package org.finetune4j.dist.tensor;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.tensor.Division.Axis;
import org.finetune4j.model.ModelConfig;
import org.jspecify.annotations.Nullable;

/**
 * How the layers of an architecture are divided: projections into a block by their outputs, those out of it by their inputs, so that
 * nothing has to be exchanged in between; heads stay whole.
 */
final class LayerRules {

    /** Which of a linear layer's features are divided. */
    enum Split {
        /** Its outputs: the columns of x W. */
        COLUMN,
        /** Its inputs: the rows. */
        ROW
    }

    /**
     * How a module is divided.
     *
     * @param split which of its features
     * @param axis how
     * @param isOfExpert whether its block enters and leaves the region for it
     * @param isVector whether it is a norm
     */
    record Rule(Split split, Axis axis, boolean isOfExpert, boolean isVector) {}

    private static final Set<String> LLAMA_LIKE =
            Set.of("Llama", "Mistral", "Mixtral", "Qwen2", "Qwen3", "Qwen3Moe", "Gemma", "Gemma2", "Gemma3", "Olmo2");
    private static final Map<String, Integer> HEAD_DIMS =
            Map.of("Gemma", 256, "Gemma2", 256, "Gemma3", 256, "Qwen3", 128);
    private static final List<String> MIXTURES = List.of("Mixtral", "Qwen3Moe");
    private static final Set<String> TABLES = Set.of(
            "model.embed_tokens",
            "model.decoder.embed_tokens",
            "transformer.wte",
            "gpt_neox.embed_in",
            "lm_head",
            "embed_out");
    private static final Pattern EXPERT =
            Pattern.compile(".*\\.experts\\.(\\d+)\\.(gate_proj|up_proj|down_proj|w1|w2|w3)");
    private static final Pattern HEAD_NORM = Pattern.compile(".*\\.self_attn\\.[qk]_norm");

    private final ModelConfig config;
    private final String family;
    private final int ranks;
    private final ExpertDivision experts;
    private final int expertRanks;
    private final Map<String, Rule> rules = new HashMap<>();
    private final Map<String, Integer> sizes = new LinkedHashMap<>();
    private final Axis vocabulary;
    private final Axis keys;
    private final int keyCopies;

    private LayerRules(ModelConfig config, String family, int ranks, ExpertDivision experts, int expertRanks) {
        this.config = config;
        this.family = family;
        this.ranks = ranks;
        this.experts = experts;
        this.expertRanks = expertRanks;
        boolean gpt2 = family.equals("GPT2");
        String headsKey = gpt2 ? "n_head" : "num_attention_heads";
        String hiddenKey = gpt2 ? "n_embd" : "hidden_size";
        int hidden = config.positive(hiddenKey);
        int heads = config.positive(headsKey);
        int headDim = HEAD_DIMS.containsKey(family)
                ? config.positive("head_dim", HEAD_DIMS.get(family))
                : config.headDim(hiddenKey, headsKey);
        int keyHeads = config.positive("num_key_value_heads", heads);
        requireDivisor(headsKey, heads);
        if (ranks % keyHeads != 0 && keyHeads % ranks != 0) {
            throw refused("num_key_value_heads", keyHeads, "neither divides nor is a multiple of", keyHeads);
        }
        this.keyCopies = Math.max(1, ranks / keyHeads);
        this.vocabulary = Axis.even(config.positive("vocab_size"), ranks);
        Axis queries = Axis.blocks(heads, headDim, ranks, 1);
        this.keys = Axis.blocks(keyHeads, headDim, ranks, keyCopies);
        sizes.put(headsKey, heads / ranks);
        sizes.put("head_dim", headDim);
        if (config.has("num_key_value_heads")) {
            sizes.put("num_key_value_heads", Math.max(1, keyHeads / ranks));
        }
        switch (family) {
            case "GPT2" -> gpt2(queries, config.positive("n_inner", 4 * hidden));
            case "GPTNeoX" -> neox(heads, headDim, queries);
            case "OPT" -> opt(queries);
            case "Phi3" -> phi3(queries);
            default -> llama(queries);
        }
    }

    /**
     * The rules for a model.
     *
     * @param ranks that share each matrix
     * @param experts how these divide experts
     * @param expertRanks how many such groups, with batches of their own, share the experts out
     * @throws UserErrorException when its architecture or its sizes cannot be divided so
     */
    static LayerRules of(ModelConfig config, int ranks, ExpertDivision experts, int expertRanks) {
        String architecture = config.architecture();
        String family = architecture.replaceFirst("(Text)?(For|LMHead|Model).*", "");
        if (expertRanks > 1 && !MIXTURES.contains(family)) {
            throw new UserErrorException(config.origin() + ": expert_parallel_size " + expertRanks
                    + " (ep in a mesh) shares out experts, and architecture '" + architecture
                    + "' has none (those of " + String.join(", ", MIXTURES) + " have): leave it out");
        }
        if (!LLAMA_LIKE.contains(family)
                && !Set.of("GPT2", "GPTNeoX", "OPT", "Phi3").contains(family)) {
            throw new UserErrorException(config.origin() + ": tensor_parallel_size " + ranks + " is not implemented for"
                    + " architecture '" + architecture + "', whose layers are none of those of "
                    + LLAMA_LIKE.stream().sorted().collect(Collectors.joining(", ")) + ", GPT2, GPTNeoX, OPT, Phi3");
        }
        LayerRules rules = new LayerRules(config, family, ranks, experts, expertRanks);
        rules.requireExpertsToDivide();
        return rules;
    }

    private void requireExpertsToDivide() {
        int count = expertRanks == 1 ? 0 : expertCount();
        if (count % expertRanks != 0) {
            String key = config.has("num_experts") ? "num_experts" : "num_local_experts";
            throw refused("expert_parallel_size " + expertRanks, key, count, "does not divide", count);
        }
    }

    private void column(String module, Axis axis) {
        rules.put(module, new Rule(Split.COLUMN, axis, false, false));
    }

    private void row(String module, Axis axis) {
        rules.put(module, new Rule(Split.ROW, axis, false, false));
    }

    private void llama(Axis queries) {
        Axis inner = Axis.even(config.positive("intermediate_size"), ranks);
        column("self_attn.q_proj", queries);
        column("self_attn.k_proj", keys);
        column("self_attn.v_proj", keys);
        row("self_attn.o_proj", queries);
        column("mlp.gate_proj", inner);
        column("mlp.up_proj", inner);
        row("mlp.down_proj", inner);
        if (family.equals("Olmo2")) {
            rules.put("self_attn.q_norm", new Rule(Split.COLUMN, queries, false, true));
            rules.put("self_attn.k_norm", new Rule(Split.COLUMN, keys, false, true));
        }
    }

    private void phi3(Axis queries) {
        int inner = config.positive("intermediate_size");
        requireDivisor("intermediate_size", inner);
        if (keyCopies > 1) {
            // One parameter would be shared by other ranks in its last rows than in its first.
            requireDivisor("num_key_value_heads", config.positive("num_key_value_heads"));
        }
        sizes.put("intermediate_size", inner / ranks);
        Axis half = Axis.even(inner, ranks);
        column("self_attn.qkv_proj", Axis.stacked(queries, keys, keys));
        row("self_attn.o_proj", queries);
        column("mlp.gate_up_proj", Axis.stacked(half, half));
        row("mlp.down_proj", half);
    }

    private void gpt2(Axis queries, int inner) {
        Axis half = Axis.even(inner, ranks);
        column("attn.c_attn", Axis.stacked(queries, queries, queries));
        row("attn.c_proj", queries);
        column("mlp.c_fc", half);
        row("mlp.c_proj", half);
    }

    private void neox(int heads, int headDim, Axis queries) {
        Axis inner = Axis.even(config.positive("intermediate_size"), ranks);
        column("attention.query_key_value", Axis.blocks(heads, 3L * headDim, ranks, 1));
        row("attention.dense", queries);
        column("mlp.dense_h_to_4h", inner);
        row("mlp.dense_4h_to_h", inner);
    }

    private void opt(Axis queries) {
        Axis inner = Axis.even(config.positive("ffn_dim"), ranks);
        for (String projection : List.of("q_proj", "k_proj", "v_proj")) {
            column("self_attn." + projection, queries);
        }
        row("self_attn.out_proj", queries);
        column("fc1", inner);
        row("fc2", inner);
    }

    private void requireDivisor(String key, int size) {
        if (size % ranks != 0) {
            throw refused(key, size, "does not divide", size);
        }
    }

    private UserErrorException refused(String key, int size, String how, int divided) {
        return refused("tensor_parallel_size " + ranks, key, size, how, divided);
    }

    private UserErrorException refused(String asked, String key, int size, String how, int divided) {
        String fitting = IntStream.rangeClosed(1, divided)
                .filter(n -> divided % n == 0)
                .mapToObj(String::valueOf)
                .collect(Collectors.joining(", "));
        return new UserErrorException(String.format(
                Locale.ROOT, "%s: %s %s %s %d: sizes that do are %s", config.origin(), asked, how, key, size, fitting));
    }

    /** The configuration of a share. */
    ModelConfig local() {
        return config.with(sizes);
    }

    Axis vocabulary() {
        return vocabulary;
    }

    Axis keys() {
        return keys;
    }

    /** How many ranks in a row have the same keys and values. */
    int keyCopies() {
        return keyCopies;
    }

    /** Whether weights are [out, in]. */
    boolean outputsFirst() {
        return !family.equals("GPT2");
    }

    /** Whether anything beside experts is divided. */
    boolean dividesMatrices() {
        return ranks > 1;
    }

    /** Whether a module has a row for every word, which are divided. */
    boolean isOfVocabulary(String module) {
        return dividesMatrices() && TABLES.contains(module);
    }

    /** Whether a module normalises heads, each by itself: every rank uses it for its own heads. */
    boolean isHeadNorm(String module) {
        return dividesMatrices() && HEAD_NORM.matcher(module).matches() && rule(module) == null;
    }

    /** How a module is divided, or null where every rank has the whole. */
    @Nullable
    Rule rule(String module) {
        Matcher expert = EXPERT.matcher(module);
        if (expert.matches()) {
            int number = Integer.parseInt(expert.group(1));
            boolean out = expert.group(2).equals("down_proj") || expert.group(2).equals("w2");
            return new Rule(out ? Split.ROW : Split.COLUMN, ofExpert(number), true, false);
        }
        for (int dot = module.lastIndexOf('.'), parts = dividesMatrices() ? 0 : 2; dot >= 0 && parts < 2; parts++) {
            Rule rule = rules.get(module.substring(dot + 1));
            if (rule != null) {
                return rule;
            }
            dot = module.lastIndexOf('.', dot - 1);
        }
        return null;
    }

    private Axis ofExpert(int number) {
        int inner = family.equals("Mixtral")
                ? config.positive("intermediate_size")
                : config.positive("moe_intermediate_size", 768);
        Axis within = experts == ExpertDivision.WHOLE
                ? Axis.owned(inner, number * ranks / expertCount(), ranks)
                : Axis.even(inner, ranks);
        return expertRanks == 1
                ? within
                : within.owned((int) ((long) number * expertRanks / expertCount()), expertRanks);
    }

    private int expertCount() {
        int fallback = family.equals("Mixtral") ? 8 : 128;
        return config.positive("num_experts", config.positive("num_local_experts", fallback));
    }
}
