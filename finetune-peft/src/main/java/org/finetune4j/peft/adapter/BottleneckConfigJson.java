package org.finetune4j.peft.adapter;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.PeftKeys;
import org.finetune4j.peft.adapter.BottleneckConfig.Bottleneck;
import org.finetune4j.peft.adapter.BottleneckConfig.Input;
import org.finetune4j.peft.adapter.BottleneckConfig.Start;
import org.jspecify.annotations.Nullable;

/** The settings as AdapterHub writes them in {@code adapter_config.json}, and as a user writes them. */
final class BottleneckConfigJson {

    static final String CONFIG = "config";

    private static final String REDUCTION = "reduction_factor";
    private static final String LEAVE_OUT = "leave_out";
    private static final String INIT = "init_weights";
    private static final String ACTIVATION = "non_linearity";
    private static final String SCALING = "scaling";
    private static final String ATTENTION = "mh_adapter";
    private static final String OUTPUT = "output_adapter";
    private static final List<String> TYPES = List.of("houlsby", "pfeiffer", "parallel");

    /** Keys of AdapterHub that change the mathematics and what they must be, being all that is implemented. */
    private static final Map<String, Object> FIXED = Map.of(
            "cross_adapter", false,
            "adapter_residual_before_ln", false,
            "phm_layer", false,
            "ln_before", false,
            "ln_after", false,
            "use_gating", false,
            "stochastic_depth", 0.0,
            "residual_before_ln", true,
            "original_ln_after", true);

    /** The other keys that the library writes, with the values that say nothing. */
    private static final Map<String, Object> UNUSED = Map.ofEntries(
            Map.entry("factorized_phm_W", true),
            Map.entry("factorized_phm_rule", false),
            Map.entry("hypercomplex_nonlinearity", "glorot-uniform"),
            Map.entry("learn_phm", true),
            Map.entry("phm_bias", true),
            Map.entry("phm_c_init", "normal"),
            Map.entry("phm_dim", 4),
            Map.entry("phm_init_range", 0.0001),
            Map.entry("phm_rank", 1),
            Map.entry("shared_W_phm", false),
            Map.entry("shared_phm_rule", true));

    private BottleneckConfigJson() {}

    /** Reads a user's settings. */
    static BottleneckConfig fromUser(Settings settings) {
        String type = settings.text("adapter_type").orElse("pfeiffer");
        if (!TYPES.contains(type)) {
            throw new UserErrorException(
                    settings.origin() + ": 'adapter_type' is " + type + Suggestions.didYouMean(type, TYPES));
        }
        boolean parallel = type.equals("parallel");
        Bottleneck bottleneck = bottleneck(settings, parallel ? 2 : 16);
        BottleneckConfig standard = parallel
                ? BottleneckConfig.parallel(bottleneck)
                : type.equals("houlsby") ? BottleneckConfig.houlsby(bottleneck) : BottleneckConfig.pfeiffer(bottleneck);
        return read(settings, standard, "adapter_dropout");
    }

    private static Bottleneck bottleneck(Settings settings, double standard) {
        if (settings.has("bottleneck_size")) {
            if (settings.has(REDUCTION)) {
                throw settings.invalid(REDUCTION, "nothing, since there is a bottleneck_size");
            }
            return new Bottleneck.Size(settings.integer("bottleneck_size", 1, 1, Settings.LARGEST_SIZE));
        }
        return new Bottleneck.Reduction(settings.number(REDUCTION, standard, 0.01, 1e9));
    }

    /** Reads the {@code config} object of an adapter's file. */
    static BottleneckConfig fromFile(Settings settings) {
        FIXED.forEach((key, wanted) -> {
            Object value = settings.value(key).orElse(wanted);
            boolean same = (value instanceof Number number && wanted instanceof Number other)
                    ? number.doubleValue() == other.doubleValue()
                    : value.equals(wanted);
            if (!same) {
                throw new UserErrorException(settings.origin() + ": '" + key + "': " + value + " is not implemented");
            }
        });
        if (settings.has("inv_adapter")) {
            throw new UserErrorException(settings.origin() + ": 'inv_adapter' is not implemented");
        }
        Input input = settings.flag("is_parallel", false)
                ? Input.STREAM
                : settings.flag("original_ln_before", false) ? Input.SUM : Input.BLOCK;
        Bottleneck bottleneck = new Bottleneck.Reduction(settings.number(REDUCTION, 16, 0.01, 1e9));
        BottleneckConfig standard =
                new BottleneckConfig(true, true, input, bottleneck, "relu", 1, 0, Start.BERT, List.of());
        return read(settings, standard, "dropout");
    }

    private static BottleneckConfig read(Settings settings, BottleneckConfig standard, String dropout) {
        boolean attention = settings.flag(ATTENTION, standard.attention());
        boolean output = settings.flag(OUTPUT, standard.output());
        if (!attention && !output) {
            throw settings.invalid(OUTPUT, "true where " + ATTENTION + " is false: there would be no adapter");
        }
        return new BottleneckConfig(
                attention,
                output,
                standard.input(),
                standard.bottleneck(),
                settings.text(ACTIVATION).orElse(standard.nonLinearity()),
                settings.number(SCALING, standard.scaling()),
                settings.number(dropout, 0, 0, 0.999),
                start(settings, standard.start()),
                leaveOut(settings));
    }

    private static Start start(Settings settings, Start standard) {
        String name = settings.text(INIT).orElse(standard.name()).toUpperCase(Locale.ROOT);
        for (Start start : Start.values()) {
            if (start.name().equals(name)) {
                return start;
            }
        }
        throw new UserErrorException(settings.origin() + ": '" + INIT + "' is " + name.toLowerCase(Locale.ROOT)
                + Suggestions.didYouMean(name.toLowerCase(Locale.ROOT), List.of("bert", "mam_adapter")));
    }

    private static List<Integer> leaveOut(Settings settings) {
        List<Integer> layers = new ArrayList<>();
        for (String text : settings.texts(LEAVE_OUT)) {
            try {
                layers.add(Integer.parseInt(text));
            } catch (NumberFormatException e) {
                throw settings.invalid(LEAVE_OUT, "numbers of layers");
            }
        }
        return layers;
    }

    /**
     * The content of {@code adapter_config.json}.
     *
     * @param loaded what the adapter was read with, whose other keys are kept
     */
    @SuppressWarnings("unchecked")
    static Map<String, @Nullable Object> toJson(
            BottleneckConfig config, String name, CausalLM model, Map<String, @Nullable Object> loaded) {
        Map<String, @Nullable Object> inner = new TreeMap<>();
        inner.putAll(FIXED);
        inner.putAll(UNUSED);
        inner.put("inv_adapter", null);
        inner.put("inv_adapter_reduction_factor", null);
        inner.put("init_weights_seed", null);
        if (loaded.get(CONFIG) instanceof Map<?, ?> known) {
            inner.putAll((Map<String, @Nullable Object>) known);
        }
        long hidden = BottleneckAdapter.hiddenSize(model);
        inner.put(ATTENTION, config.attention());
        inner.put(OUTPUT, config.output());
        inner.put("is_parallel", config.input() == Input.STREAM);
        inner.put("original_ln_before", config.input() == Input.SUM);
        inner.put(REDUCTION, reductionFactor(config.bottleneck(), hidden));
        inner.put(ACTIVATION, config.nonLinearity());
        inner.put(SCALING, config.scaling());
        inner.put("dropout", config.dropout());
        inner.put(INIT, config.start().name().toLowerCase(Locale.ROOT));
        inner.put(LEAVE_OUT, config.leaveOut());
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        ofModel(json, model);
        json.putAll(loaded);
        json.put("name", name);
        json.put(CONFIG, inner);
        return json;
    }

    /** The content of {@code head_config.json}, for a head that is the model's own. */
    static Map<String, @Nullable Object> ofHead(CausalLM model) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        Map<String, Integer> numbers = new LinkedHashMap<>();
        model.config().labelNames().forEach(label -> numbers.put(label, numbers.size()));
        json.put(CONFIG, null);
        json.put("label2id", numbers);
        ofModel(json, model);
        json.put("name", null);
        json.put("num_labels", model.config().labels());
        return json;
    }

    private static void ofModel(Map<String, @Nullable Object> json, CausalLM model) {
        json.put("hidden_size", BottleneckAdapter.hiddenSize(model));
        json.put("model_class", model.config().architecture());
        json.put("model_name", model.nameOrPath());
        json.put("model_type", model.config().text("model_type", ""));
        json.put("version", "adapters.1.2.0");
    }

    /** A factor by which AdapterHub, which divides and rounds down, comes to the same size. */
    private static Object reductionFactor(Bottleneck bottleneck, long hidden) {
        if (bottleneck instanceof Bottleneck.Reduction reduction) {
            return PeftKeys.number(reduction.factor());
        }
        int size = bottleneck.size(hidden);
        double factor = (double) hidden / size;
        return PeftKeys.number(new Bottleneck.Reduction(factor).size(hidden) == size ? factor : hidden / (size + 0.5));
    }
}
