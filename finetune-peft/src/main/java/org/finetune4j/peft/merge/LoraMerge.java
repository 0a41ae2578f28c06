package org.finetune4j.peft.merge;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.lora.LoraConfig;
import org.finetune4j.peft.merge.LoraCombination.Factors;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Makes one LoRA directory of several, module by module. The result is a plain LoRA whose scale is 1 everywhere. */
final class LoraMerge {

    private static final String BASE_WEIGHT = ".base_layer.weight";
    private static final List<String> SELECTION =
            List.of("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save");

    /** The names of the two factors in a layer and in an embedding. */
    private enum Kind {
        LAYER(".lora_A.weight", ".lora_B.weight"),
        EMBEDDING(".lora_embedding_A", ".lora_embedding_B");

        private final String a;
        private final String b;

        Kind(String a, String b) {
            this.a = a;
            this.b = b;
        }
    }

    private final List<StoredAdapter> adapters;
    private final List<LoraConfig> configs;
    private final double[] weights;
    private final LoraCombination combination;
    private final Map<String, Kind> modules = new TreeMap<>();
    private final Set<String> others = new TreeSet<>();

    LoraMerge(List<StoredAdapter> adapters, double[] weights, LoraCombination combination) {
        this.adapters = adapters;
        this.configs = adapters.stream().map(LoraMerge::plainConfig).toList();
        this.weights = weights;
        this.combination = combination;
        adapters.forEach(adapter -> adapter.file().names().forEach(this::sort));
    }

    private static LoraConfig plainConfig(StoredAdapter adapter) {
        LoraConfig config = LoraConfig.read(adapter.directory());
        if (config.useDora()) {
            throw new UserErrorException(
                    adapter.directory() + ": DoRA normalises its product, so that adapters do not add"
                            + " up: fold each adapter into the base and merge the models");
        }
        if (config.initialization().takesFromBase()) {
            throw new UserErrorException(adapter.directory() + ": the adapter took a part of the base at its start:"
                    + " merge what its training wrote at the end, which is a plain LoRA, not a checkpoint");
        }
        if (config.loraBias()) {
            throw new UserErrorException(adapter.directory() + ": adapters with lora_bias cannot be merged");
        }
        return config;
    }

    private void sort(String key) {
        for (Kind kind : Kind.values()) {
            if (key.endsWith(kind.a)) {
                modules.put(key.substring(0, key.length() - kind.a.length()), kind);
                return;
            }
            if (key.endsWith(kind.b)) {
                return;
            }
        }
        others.add(key);
    }

    void write(Path output) {
        boolean sameSelection = SELECTION.stream().allMatch(key -> adapters.stream()
                .allMatch(adapter -> AdapterSettings.same(adapters.get(0), adapter, key)));
        Map<String, Long> ranks = new LinkedHashMap<>();
        List<Entry> entries = new ArrayList<>();
        modules.forEach((module, kind) -> {
            Factors factors = combine(module, kind);
            entries.add(Entry.of(module + kind.a, factors.a()));
            entries.add(Entry.of(module + kind.b, factors.b()));
            ranks.put(path(module), factors.a().size(0));
        });
        for (String key : others) {
            if (sameSelection || !key.endsWith(BASE_WEIGHT)) {
                entries.add(Entry.of(key, trainedCopy(key)));
            }
        }
        SafetensorsWriter.write(
                output.resolve(AdapterWeights.NAME), FiniteValues.checked(entries), SafetensorsWriter.PYTORCH_METADATA);
        AdapterConfigFile.write(output, config(ranks, sameSelection));
    }

    private Factors combine(String module, Kind kind) {
        List<Factors> factors = new ArrayList<>();
        List<Double> used = new ArrayList<>();
        int rank = 0;
        for (int i = 0; i < adapters.size(); i++) {
            SafetensorsFile file = adapters.get(i).file();
            if (file.contains(module + kind.a)) {
                factors.add(new Factors(
                        file.tensor(module + kind.a),
                        file.tensor(module + kind.b),
                        configs.get(i).scaleOf(path(module))));
                used.add(weights[i]);
                rank = (int) Math.max(rank, factors.get(factors.size() - 1).a().size(0));
            }
        }
        LoraCombination ofModule = new LoraCombination(
                combination.type(),
                combination.density(),
                combination.majoritySign(),
                combination.seed() + module.hashCode(),
                combination.rank() < 1 ? rank : combination.rank());
        return ofModule.combine(
                factors, used.stream().mapToDouble(Double::doubleValue).toArray());
    }

    /** A bias or a whole module that trained beside the factors. */
    private Tensor trainedCopy(String key) {
        for (StoredAdapter adapter : adapters) {
            if (!adapter.file().contains(key)) {
                throw new UserErrorException(adapter.directory() + ": no tensor '" + key
                        + "', which another adapter trained as a whole: only the mean of all of them can be taken");
            }
        }
        AdapterMerge.requireMean(weights, "'" + key + "', which trained as a whole,");
        return AdapterMerge.mean(adapters, weights, key);
    }

    private Map<String, @Nullable Object> config(Map<String, Long> ranks, boolean sameSelection) {
        long usual = ranks.values().stream().mapToLong(Long::longValue).max().orElse(1);
        Map<String, Long> unusual = new LinkedHashMap<>(ranks);
        unusual.values().removeIf(rank -> rank == usual);
        Map<String, @Nullable Object> config = new LinkedHashMap<>();
        config.putAll(adapters.get(0).config().asMap());
        config.put("r", usual);
        config.put("lora_alpha", usual);
        config.put("rank_pattern", unusual);
        config.put("alpha_pattern", unusual);
        config.put("use_rslora", false);
        config.put("init_lora_weights", true);
        if (!sameSelection) {
            SELECTION.forEach(key -> config.put(key, null));
            config.put("target_modules", List.copyOf(ranks.keySet()));
        }
        return config;
    }

    private static String path(String module) {
        return module.substring(AdapterWeights.PREFIX.length());
    }
}
