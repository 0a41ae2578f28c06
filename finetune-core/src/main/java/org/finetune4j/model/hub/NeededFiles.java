package org.finetune4j.model.hub;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;

/** Which files of a repository are needed to use its model or adapter. */
final class NeededFiles {

    private static final Set<String> SMALL = Set.of(
            "config.json",
            "generation_config.json",
            AdapterDirectory.CONFIG,
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "tokenizer.model",
            "spiece.model",
            "vocab.json",
            "vocab.txt",
            "merges.txt",
            "chat_template.jinja",
            "chat_template.json",
            "additional_target_modules.json");

    private static final Pattern TEMPLATE = Pattern.compile("additional_chat_templates/[^/]+\\.jinja");
    private static final Pattern SHARD = Pattern.compile("(adapter_)?model-\\d+-of-\\d+\\.safetensors");
    private static final Pattern PICKLED = Pattern.compile("(pytorch|adapter)_model.*\\.bin(\\.index\\.json)?");
    private static final List<String> WHOLE = List.of("model.safetensors", AdapterDirectory.WEIGHTS);

    private static final int MOST_FILES = 10_000;

    private NeededFiles() {}

    /**
     * Chooses from all files of a repository: configuration, tokenizer, templates and safetensors, but not the same weights
     * twice.
     *
     * @param origin what messages call the repository
     * @throws UserErrorException when the weights are in no format that is read
     */
    static List<String> of(Collection<String> all, String origin) {
        List<String> weights = weights(all);
        if (weights.isEmpty()) {
            boolean pickled =
                    all.stream().anyMatch(path -> PICKLED.matcher(path).matches());
            throw new UserErrorException(origin
                    + (pickled
                            ? " has pickled weights (.bin) only, which can run code when they are read"
                            : " has no weights")
                    + ": expected model.safetensors, its parts with an index, or adapter_model.safetensors");
        }
        List<String> needed = new ArrayList<>();
        for (String path : all) {
            if (SMALL.contains(path) || TEMPLATE.matcher(path).matches()) {
                needed.add(path);
            }
        }
        // Small ones first: what is wrong with a configuration shows before gigabytes have come.
        needed.addAll(weights);
        if (needed.size() > MOST_FILES) {
            throw new UserErrorException(
                    origin + " lists " + needed.size() + " files, at most " + MOST_FILES + " are fetched");
        }
        return needed;
    }

    private static List<String> weights(Collection<String> all) {
        List<String> weights = new ArrayList<>();
        for (String whole : WHOLE) {
            String stem = whole.substring(0, whole.length() - ".safetensors".length());
            if (all.contains(whole)) {
                weights.add(whole);
            } else if (all.contains(whole + ".index.json")) {
                weights.add(whole + ".index.json");
                all.stream()
                        .filter(path -> SHARD.matcher(path).matches() && path.startsWith(stem + "-"))
                        .forEach(weights::add);
            }
        }
        return weights;
    }
}
