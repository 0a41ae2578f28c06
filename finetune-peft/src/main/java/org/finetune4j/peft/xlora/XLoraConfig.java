package org.finetune4j.peft.xlora;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.InputFiles;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.PeftKeys;
import org.jspecify.annotations.Nullable;

/**
 * The settings of X-LoRA, with PEFT's names.
 *
 * @param adapters directories of stored LoRA adapters by name, in the order of the classifier's outputs
 * @param classifier how large it is
 * @param scalings what becomes of its outputs
 * @param trainableAdapters whether the adapters train beside the classifier
 * @param scalingPassValue every scaling in the first pass; 0 for that of the base model
 * @param hiddenSize of the model, or null for whatever it has
 */
public record XLoraConfig(
        Map<String, Path> adapters,
        Classifier classifier,
        Scalings scalings,
        boolean trainableAdapters,
        double scalingPassValue,
        @Nullable Integer hiddenSize) {

    static final String PEFT_TYPE = "XLORA";

    private static final String ADAPTERS = "adapters";
    private static final String SOFTMAX = "enable_softmax";
    private static final String SOFTMAX_TOP_K = "enable_softmax_topk";
    private static final String TEMPERATURE = "softmax_temperature";
    private static final String LAYERWISE = "layerwise_scalings";
    private static final String TOP_K = "top_k_lora";
    private static final String DEPTH = "xlora_depth";
    private static final String SIZE = "xlora_size";
    private static final String DROPOUT = "xlora_dropout_p";
    private static final String TRAINABLE = "use_trainable_adapters";
    private static final String PASS_VALUE = "scaling_pass_value";
    private static final String GLOBAL_WEIGHT = "global_scaling_weight";
    private static final String HIDDEN = "hidden_size";

    private static final List<String> KEYS = List.of(
            ADAPTERS,
            SOFTMAX,
            SOFTMAX_TOP_K,
            TEMPERATURE,
            LAYERWISE,
            TOP_K,
            DEPTH,
            SIZE,
            DROPOUT,
            TRAINABLE,
            PASS_VALUE,
            GLOBAL_WEIGHT,
            HIDDEN);

    /**
     * Linear layers with ReLU between them, from a token's hidden state to one number for each adapter.
     *
     * @param depth how many linear layers there are
     * @param size width between two of them
     * @param dropout probability of dropping an element between two of them in training
     */
    public record Classifier(int depth, int size, double dropout) {

        /**
         * Checks the numbers.
         *
         * @param depth how many linear layers there are
         * @param size width between two of them
         * @param dropout probability of dropping an element between two of them in training
         * @throws IllegalArgumentException when one is out of its range
         */
        public Classifier {
            if (depth < 1 || size < 1 || !(dropout >= 0 && dropout < 1)) {
                throw new IllegalArgumentException("expected a depth and a size of at least 1 and dropout in [0, 1)");
            }
        }
    }

    /**
     * What becomes of the classifier's outputs.
     *
     * @param softmax whether a token's scalings add up to 1
     * @param softmaxTopK whether those of the {@code topK} largest do, and the others are 0
     * @param temperature what the outputs are divided by before the softmax
     * @param layerwise whether every adapted layer has scalings of its own
     * @param topK how many adapters count for a token and layer, or null for all
     * @param weight what all scalings are multiplied by in the end
     */
    public record Scalings(
            boolean softmax,
            boolean softmaxTopK,
            double temperature,
            boolean layerwise,
            @Nullable Integer topK,
            double weight) {

        /**
         * Checks that the settings go together.
         *
         * @param softmax whether a token's scalings add up to 1
         * @param softmaxTopK whether those of the {@code topK} largest do, and the others are 0
         * @param temperature what the outputs are divided by before the softmax
         * @param layerwise whether every adapted layer has scalings of its own
         * @param topK how many adapters count for a token and layer, or null for all
         * @param weight what all scalings are multiplied by in the end
         * @throws UserErrorException when they do not
         */
        public Scalings {
            if (softmaxTopK && topK == null) {
                throw new UserErrorException("'" + SOFTMAX_TOP_K + "' needs '" + TOP_K + "'");
            }
            if (!(temperature > 0)) {
                throw new IllegalArgumentException("the temperature must be above 0: " + temperature);
            }
        }

        /** {@return a softmax over all adapters, the same in all layers} */
        public static Scalings dense() {
            return new Scalings(true, false, 1, false, null, 1);
        }
    }

    /**
     * Checks that the settings go together and keeps a copy of the map.
     *
     * @param adapters directories of stored LoRA adapters by name, in the order of the classifier's outputs
     * @param classifier how large it is
     * @param scalings what becomes of its outputs
     * @param trainableAdapters whether the adapters train beside the classifier
     * @param scalingPassValue every scaling in the first pass; 0 for that of the base model
     * @param hiddenSize of the model, or null for whatever it has
     * @throws UserErrorException when they do not
     */
    public XLoraConfig {
        adapters = Collections.unmodifiableMap(new LinkedHashMap<>(adapters));
        if (adapters.isEmpty()) {
            throw new UserErrorException("'" + ADAPTERS + "' names no LoRA adapter to mix");
        }
        Integer most = scalings.topK();
        if (most != null && (most < 1 || most > adapters.size())) {
            throw new UserErrorException(
                    "'" + TOP_K + "' is " + most + ", expected 1 to " + adapters.size() + ", the number of adapters");
        }
    }

    /**
     * PEFT's defaults: one linear layer, a softmax, the same scalings in all layers, adapters that stay as they are.
     *
     * @param adapters directories of stored LoRA adapters by name
     * @return the settings
     */
    public static XLoraConfig of(Map<String, Path> adapters) {
        return new XLoraConfig(adapters, new Classifier(1, 2048, 0.2), Scalings.dense(), false, 0, null);
    }

    /**
     * Reads settings.
     *
     * @param stored the directory of the stored adapter that they belong to, or null for a user's
     */
    static XLoraConfig from(Settings settings, @Nullable Path stored) {
        PeftKeys.refuseOthers(settings, PEFT_TYPE, KEYS);
        Classifier classifier = new Classifier(
                settings.integer(DEPTH, 1, 1, 64),
                settings.integer(SIZE, 2048, 1, Settings.LARGEST_SIZE),
                settings.number(DROPOUT, 0.2, 0, 0.999));
        boolean softmax = settings.flag(SOFTMAX, true);
        boolean softmaxTopK = settings.flag(SOFTMAX_TOP_K, false);
        double temperature = settings.number(TEMPERATURE, 1, 1e-6, 1e6);
        boolean layerwise = settings.flag(LAYERWISE, false);
        Integer topK = settings.has(TOP_K) ? settings.integer(TOP_K, 1, 1) : null;
        double weight = settings.number(GLOBAL_WEIGHT, 1);
        boolean trainable = settings.flag(TRAINABLE, false);
        double passValue = settings.number(PASS_VALUE, 0);
        Integer hidden = settings.has(HIDDEN) ? settings.integer(HIDDEN, 1, 1) : null;
        Map<String, Path> adapters =
                adapters(settings, stored); // the only one that must be there: last, so that all keys are known
        try {
            Scalings scalings = new Scalings(softmax, softmaxTopK, temperature, layerwise, topK, weight);
            return new XLoraConfig(adapters, classifier, scalings, trainable, passValue, hidden);
        } catch (UserErrorException e) {
            throw new UserErrorException(settings.origin() + ": " + e.getMessage(), e);
        }
    }

    private static Map<String, Path> adapters(Settings settings, @Nullable Path stored) {
        String expected =
                "a map from names to directories of LoRA adapters, such as {law: runs/law, trade: runs/trade}";
        Object value = settings.value(ADAPTERS).orElse(null);
        if (!(value instanceof Map<?, ?> map) || map.isEmpty()) {
            throw settings.invalid(ADAPTERS, expected);
        }
        List<String> names = new ArrayList<>();
        map.keySet().forEach(name -> names.add(String.valueOf(name)));
        if (names.stream().allMatch(name -> name.matches("\\d{1,9}"))) {
            // PEFT's file is sorted as texts are, in which 10 comes before 2.
            names.sort((a, b) -> Integer.compare(Integer.parseInt(a), Integer.parseInt(b)));
        }
        Map<String, Path> adapters = new LinkedHashMap<>();
        for (String name : names) {
            Object path = map.entrySet().stream()
                    .filter(entry -> String.valueOf(entry.getKey()).equals(name))
                    .findFirst()
                    .<Object>map(Map.Entry::getValue)
                    .orElse(null);
            if (!(path instanceof String text)) {
                throw settings.invalid(ADAPTERS, expected);
            }
            Path given = InputFiles.path(settings.origin() + ": '" + ADAPTERS + "': " + name, text);
            adapters.put(name, stored == null ? given : ofStored(stored, adapters.size(), given));
        }
        return adapters;
    }

    /** A stored adapter's own folder, which PEFT names by its number, before the directory that it was once read from. */
    private static Path ofStored(Path stored, int number, Path given) {
        Path own = stored.resolve(String.valueOf(number));
        if (Files.isDirectory(own)) {
            return own;
        }
        return Files.isDirectory(stored.resolve(given)) ? stored.resolve(given) : given;
    }

    /**
     * The content of {@code adapter_config.json}. Adapters are named by number, as their folders beside it: PEFT takes no other names.
     *
     * @param hidden of the model
     */
    Map<String, @Nullable Object> toJson(long hidden) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("peft_type", PEFT_TYPE);
        Map<String, String> folders = new LinkedHashMap<>();
        for (int number = 0; number < adapters.size(); number++) {
            folders.put(String.valueOf(number), String.valueOf(number));
        }
        json.put(ADAPTERS, folders);
        json.put(HIDDEN, hidden);
        json.putAll(shown());
        return json;
    }

    /** The settings but the adapters. */
    Map<String, @Nullable Object> shown() {
        Map<String, @Nullable Object> shown = new LinkedHashMap<>();
        shown.put(SOFTMAX, scalings.softmax());
        shown.put(SOFTMAX_TOP_K, scalings.softmaxTopK());
        shown.put(TEMPERATURE, scalings.temperature());
        shown.put(LAYERWISE, scalings.layerwise());
        shown.put(TOP_K, scalings.topK());
        shown.put(DEPTH, classifier.depth());
        shown.put(SIZE, classifier.size());
        shown.put(DROPOUT, classifier.dropout());
        shown.put(TRAINABLE, trainableAdapters);
        shown.put(PASS_VALUE, scalingPassValue);
        shown.put(GLOBAL_WEIGHT, scalings.weight());
        return shown;
    }
}
