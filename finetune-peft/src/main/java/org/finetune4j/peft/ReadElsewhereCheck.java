package org.finetune4j.peft;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.finetune4j.train.preflight.Findings;
import org.finetune4j.train.preflight.PreflightCheck;
import org.finetune4j.train.preflight.PreflightContext;
import org.jspecify.annotations.Nullable;

/**
 * Says of an adapter that PEFT with transformers 5 would read as something else, or not at all, although its file is as PEFT has it:
 * those have the experts of a layer in one tensor, into which PEFT 0.21 brings some adapters of single experts, and call GPT-NeoX's
 * output layer otherwise.
 */
public final class ReadElsewhereCheck implements PreflightCheck {

    private static final String REMEDY = ": merge it before it is used there";
    private static final Pattern EXPERT =
            Pattern.compile("(?:base_model\\.model\\.)?(.+\\.experts)\\.(\\d+)\\.(\\w+)(?:\\..*)?");
    private static final String GPT_OSS = "GptOss";
    private static final String ROUTER = ".mlp.router.";
    private static final Set<String> DOWN = Set.of("w2", "down_proj");

    @Override
    public void check(PreflightContext context, Findings findings) {
        if (!(context.strategy() instanceof PeftAdapter adapter)) {
            return;
        }
        Set<String> keys = adapter.parametersByKey().keySet();
        if (keys.stream().anyMatch(key -> key.startsWith(AdapterWeights.PREFIX + "embed_out."))) {
            findings.warning(
                    "PEFT with transformers 5 does not find embed_out, which is lm_head there: the adapter of it works"
                            + " here alone" + REMEDY);
        }
        Map<String, Set<String>> adapted = experts(keys.stream());
        String architecture = context.model().config().architecture();
        boolean ofRouter = architecture.startsWith(GPT_OSS)
                && keys.stream().anyMatch(key -> key.contains(ROUTER))
                && !String.valueOf(adapter.configuration().get("target_parameters"))
                        .contains("router.weight");
        if (adapted.isEmpty() && !ofRouter) {
            return;
        }
        String reason = architecture.startsWith("Qwen2Moe") || architecture.startsWith(GPT_OSS)
                ? "it brings none from single experts of this architecture" + (ofRouter ? ", and from no router" : "")
                : outside(keys, adapted);
        if (reason == null) {
            reason = reason(
                    adapter.configuration(),
                    adapted,
                    experts(context.model().network().namedModules().keySet().stream()));
        }
        if (reason != null) {
            findings.warning(
                    "PEFT with transformers 5 has the experts of a layer in one tensor and reads this adapter otherwise, because "
                            + reason + REMEDY);
        }
    }

    /** The experts' layers that are named, as {@code number.name}, by the block that they are in. */
    private static Map<String, Set<String>> experts(Stream<String> names) {
        Map<String, Set<String>> layers = new LinkedHashMap<>();
        names.map(EXPERT::matcher).filter(Matcher::matches).forEach(name -> layers.computeIfAbsent(
                        name.group(1), block -> new TreeSet<>())
                .add(name.group(2) + "." + name.group(3)));
        return layers;
    }

    /** PEFT takes a name for that of experts wherever it stands: dense layers and shared experts lose theirs. */
    private static @Nullable String outside(Set<String> keys, Map<String, Set<String>> adapted) {
        Set<String> names = new TreeSet<>();
        adapted.values().forEach(layers -> names.addAll(leaves(layers)));
        return keys.stream()
                .filter(key -> !EXPERT.matcher(key).matches())
                .flatMap(key -> names.stream().filter(name -> key.contains("." + name + ".")))
                .findFirst()
                .map(name -> name + " outside of experts is taken for that of experts there")
                .orElse(null);
    }

    /** What PEFT's conversion leaves out or takes otherwise, or null where it gives the same numbers. */
    private static @Nullable String reason(
            Map<String, @Nullable Object> configuration,
            Map<String, Set<String>> adapted,
            Map<String, Set<String>> all) {
        if (!"LORA".equals(configuration.get("peft_type"))) {
            return "it brings LoRA alone from single experts there";
        }
        String instead = "; target_parameters says the same in its layout";
        if (Boolean.TRUE.equals(configuration.get("use_rslora"))) {
            return "use_rslora divides by the root of the joined rank there" + instead;
        }
        if (configuration.get("target_modules") instanceof String expression
                && !expression.equals(TargetModules.ALL_LINEAR)) {
            return "target_modules is an expression, which finds none of them there" + instead;
        }
        if (Stream.of("rank_pattern", "alpha_pattern").anyMatch(key -> namesExperts(configuration.get(key), adapted))) {
            return "rank_pattern and alpha_pattern do not name them there" + instead;
        }
        for (Map.Entry<String, Set<String>> block : adapted.entrySet()) {
            Set<String> names = leaves(block.getValue());
            if (names.size() != 3 && !DOWN.containsAll(names)) {
                return "it has gate and up projection in one, which needs all three or the last alone" + instead;
            }
            Set<String> missing = new TreeSet<>(all.getOrDefault(block.getKey(), Set.of()));
            missing.removeIf(layer -> !names.contains(leaf(layer)));
            missing.removeAll(block.getValue());
            if (!missing.isEmpty()) {
                return block.getKey() + "." + missing.iterator().next() + " is left out" + instead;
            }
        }
        return null;
    }

    private static boolean namesExperts(@Nullable Object pattern, Map<String, Set<String>> adapted) {
        return pattern instanceof Map<?, ?> values
                && values.keySet().stream()
                        .map(String::valueOf)
                        .anyMatch(key -> key.contains("experts")
                                || adapted.values().stream().anyMatch(layers -> leaves(layers).stream()
                                        .anyMatch(key::endsWith)));
    }

    private static Set<String> leaves(Set<String> layers) {
        Set<String> names = new TreeSet<>();
        layers.forEach(layer -> names.add(leaf(layer)));
        return names;
    }

    private static String leaf(String layer) {
        return layer.substring(layer.indexOf('.') + 1);
    }
}
