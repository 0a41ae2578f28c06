package org.finetune4j.dist.tensor;

import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.tensor.Division.Axis;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DividedFeatures;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.Module;
import org.finetune4j.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * How the layers of a model are divided: projections into a block by their outputs, those out of it by their inputs, so that
 * nothing has to be exchanged in between; heads stay whole. The model's own parts say what their features are ({@link
 * Module#dividedFeatures}); no architecture is known here.
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
     * @param dimension of the weight that is divided
     */
    record Rule(Split split, Axis axis, boolean isOfExpert, int dimension) {}

    private final ModelConfig config;
    private final int ranks;
    private final ExpertDivision experts;
    private final int expertRanks;
    private final Map<String, Rule> rules = new HashMap<>();
    private final Set<String> headNorms = new HashSet<>();
    private final Set<String> ofKeys = new HashSet<>();
    private final Set<String> tables = new HashSet<>();
    private final Map<String, Integer> sizes = new LinkedHashMap<>();
    private final Axis vocabulary;
    private final Axis keys;
    private final int keyCopies;
    private final int headDim;

    private LayerRules(ModelConfig config, DecoderModel whole, int ranks, ExpertDivision experts, int expertRanks) {
        this.config = config;
        this.ranks = ranks;
        this.experts = experts;
        this.expertRanks = expertRanks;
        Map<String, Module> modules = whole.namedModules();
        Attention attention = whole.layers().get(0).attention();
        int keyHeads = attention.kvHeads();
        String headsKey = Architecture.of(config).headsKey();
        requireDivisor(headsKey, attention.heads());
        if (ranks % keyHeads != 0 && keyHeads % ranks != 0) {
            throw refused("num_key_value_heads", keyHeads, "neither divides nor is a multiple of", keyHeads);
        }
        this.headDim = attention.headDim();
        this.keyCopies = Math.max(1, ranks / keyHeads);
        this.vocabulary = Axis.even(whole.inputEmbedding().count(), ranks);
        this.keys = Axis.blocks(keyHeads, attention.headDim(), ranks, keyCopies);
        sizes.put(headsKey, attention.heads() / ranks);
        sizes.put("head_dim", attention.headDim());
        sizes.put("num_key_value_heads", Math.max(1, keyHeads / ranks));
        if (ranks > 1) {
            tables.add(whole.nameOf(whole.inputEmbedding()));
            if (whole.pooling() == null) {
                tables.add(whole.nameOf(whole.outputLayer()));
            }
            modules.forEach((path, module) ->
                    module.dividedFeatures().forEach((name, features) -> divide(path + "." + name, modules, features)));
        }
        modules.forEach((path, module) -> {
            if (module instanceof MixtureOfExperts mixture) {
                divideExperts(path, mixture, modules);
            }
        });
    }

    /**
     * The rules for a model.
     *
     * @param config of the model, without what says how weights are quantised
     * @param ranks that share each matrix
     * @param experts how these divide experts
     * @param expertRanks how many such groups, with batches of their own, share the experts out
     * @param dividesSequence whether ranks have some of the tokens each between the blocks
     * @throws UserErrorException when its architecture or its sizes cannot be divided so
     */
    static LayerRules of(
            ModelConfig config, int ranks, ExpertDivision experts, int expertRanks, boolean dividesSequence) {
        try (CausalLM whole = CausalLM.shapes(config, DType.FLOAT32)) {
            if (ranks > 1) {
                DivisibleLayers.unknown(whole.network()).ifPresent(path -> {
                    throw notImplemented(
                            config, "tensor_parallel_size " + ranks, path, "does not say how it is divided");
                });
            }
            if (dividesSequence) {
                DivisibleLayers.wholeBetweenBlocks(whole.network()).ifPresent(path -> {
                    throw notImplemented(config, "sequence_parallel", path, "is whole on every rank: leave it out");
                });
            }
            boolean mixes =
                    whole.network().namedModules().values().stream().anyMatch(MixtureOfExperts.class::isInstance);
            if (expertRanks > 1 && !mixes) {
                throw new UserErrorException(config.origin() + ": expert_parallel_size " + expertRanks
                        + " (ep in a mesh) shares out experts, and architecture '" + config.architecture()
                        + "' has none: leave it out");
            }
            return new LayerRules(config, whole.network(), ranks, experts, expertRanks);
        }
    }

    private static UserErrorException notImplemented(ModelConfig config, String asked, String path, String why) {
        return new UserErrorException(config.origin() + ": " + asked + " is not implemented for architecture '"
                + config.architecture() + "', whose '" + path + "' " + why);
    }

    private void divide(String path, Map<String, Module> modules, DividedFeatures features) {
        if (features.sections().stream().anyMatch(section -> section.kind() == DividedFeatures.Kind.KEY_HEADS)) {
            ofKeys.add(path);
        }
        switch (features.side()) {
            case OUTPUTS -> rules.put(path, rule(Split.COLUMN, path, modules, features));
            case INPUTS -> rules.put(path, rule(Split.ROW, path, modules, features));
            case ELEMENTS -> rules.put(path, new Rule(Split.COLUMN, axis(features), false, 0));
            case OF_HEADS -> headNorms.add(path);
            case NOTHING -> {}
        }
    }

    private Rule rule(Split split, String path, Map<String, Module> modules, DividedFeatures features) {
        if (!(modules.get(path) instanceof Linear linear)) {
            throw new IllegalStateException(path + " is no linear layer");
        }
        boolean columns = split == Split.COLUMN;
        if (features.count() != (columns ? linear.outFeatures() : linear.inFeatures())) {
            throw new IllegalStateException(path + " has other features than " + features);
        }
        boolean outputsFirst = linear.layout() == Linear.Layout.OUT_IN;
        return new Rule(split, axis(features), false, columns == outputsFirst ? 0 : 1);
    }

    private Axis axis(DividedFeatures features) {
        List<Section> sections = features.sections();
        if (sections.size() == 1) {
            Section only = sections.get(0);
            if (keyCopies > 1 && only.kind() == DividedFeatures.Kind.KEY_HEADS && only.size() > headDim) {
                // The queries that lie beside a key would be there twice.
                requireDivisor("num_key_value_heads", (int) only.count());
            }
            return axis(only);
        }
        for (Section section : sections) {
            if (keyCopies > 1 && section.kind() == DividedFeatures.Kind.KEY_HEADS) {
                // One parameter would be shared by other ranks in its last rows than in its first.
                requireDivisor("num_key_value_heads", (int) section.count());
            }
        }
        return Axis.stacked(sections.stream().map(this::axis).toArray(Axis[]::new));
    }

    private Axis axis(Section section) {
        return switch (section.kind()) {
            case QUERY_HEADS -> Axis.blocks(section.count(), section.size(), ranks, 1);
            case KEY_HEADS -> Axis.blocks(section.count(), section.size(), ranks, keyCopies);
            case INNER -> Axis.blocks(section.count(), section.size(), ranks, 1);
        };
    }

    private void divideExperts(String path, MixtureOfExperts mixture, Map<String, Module> modules) {
        int count = mixture.experts().size();
        if (count % expertRanks != 0) {
            String key = Stream.of("num_experts", "n_routed_experts")
                    .filter(config::has)
                    .findFirst()
                    .orElse("num_local_experts");
            throw refused("expert_parallel_size " + expertRanks, key, count, "does not divide", count);
        }
        for (int number = 0; number < count; number++) {
            String expert = path + ".experts." + number;
            for (Map.Entry<String, DividedFeatures> part :
                    mixture.experts().get(number).dividedFeatures().entrySet()) {
                boolean out = part.getValue().side() == DividedFeatures.Side.INPUTS;
                String linear = expert + "." + part.getKey();
                Rule whole = rule(out ? Split.ROW : Split.COLUMN, linear, modules, part.getValue());
                Axis axis = ofExpert(number, count, part.getValue());
                rules.put(linear, new Rule(whole.split, axis, true, whole.dimension));
            }
        }
    }

    private Axis ofExpert(int number, int count, DividedFeatures inner) {
        Axis within = experts == ExpertDivision.WHOLE
                ? Axis.owned(inner.count(), number * ranks / count, ranks)
                : axis(inner);
        return expertRanks == 1 ? within : within.owned((int) ((long) number * expertRanks / count), expertRanks);
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

    /** Whether what is divided of a module are heads of keys or values, which several ranks can have the same of. */
    boolean isOfKeys(String module) {
        return ofKeys.contains(module);
    }

    /** Whether anything beside experts is divided. */
    boolean dividesMatrices() {
        return ranks > 1;
    }

    /** Whether a module has a row for every word, which are divided. */
    boolean isOfVocabulary(String module) {
        return tables.contains(module);
    }

    /** Whether a module normalises heads, each by itself: every rank uses it for its own heads. */
    boolean isHeadNorm(String module) {
        return headNorms.contains(module);
    }

    /** How the module of a path is divided, or a block's own parameter, or null where every rank has the whole. */
    @Nullable
    Rule rule(String path) {
        return rules.get(path);
    }
}
