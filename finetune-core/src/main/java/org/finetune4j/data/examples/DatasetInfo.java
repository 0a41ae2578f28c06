package org.finetune4j.data.examples;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.InputFiles;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Reads LLaMA-Factory's {@code dataset_info.json}: names of datasets with their files, formats, columns and tags. */
public final class DatasetInfo {

    /** LLaMA-Factory's names of columns that our formats call something else. */
    private static final Map<String, String> ALPACA_COLUMNS =
            Map.of("prompt", "instruction", "query", "input", "response", "output", "kto_tag", "label");

    private static final String SHARE_GPT = "sharegpt";
    private static final String MESSAGES = "messages";
    private static final String OPEN_AI = "openai";
    private static final List<String> FORMATTINGS = List.of("alpaca", SHARE_GPT, OPEN_AI);

    private static final List<String> REMOTE = List.of("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url");

    private static final List<String> KEYS = List.of(
            "file_name", "formatting", "ranking", "subset", "split", "folder", "num_samples", "columns", "tags");

    private static final List<String> COLUMNS = List.of(
            "prompt",
            "query",
            "response",
            "history",
            "messages",
            "system",
            "tools",
            "images",
            "videos",
            "audios",
            "chosen",
            "rejected",
            "kto_tag");

    private static final Map<String, String> ROLE_TAGS = Map.of(
            "user_tag", "human",
            "assistant_tag", "gpt",
            "system_tag", "system",
            "observation_tag", "observation",
            "function_tag", "function_call");

    /** What OpenAI itself calls the parts of a message. */
    private static final Map<String, String> OPEN_AI_TAGS = Map.of(
            "role_tag", "role",
            "content_tag", "content",
            "user_tag", "user",
            "assistant_tag", "assistant",
            "system_tag", "system",
            "observation_tag", "tool");

    private final Path file;
    private final JsonNode root;

    private DatasetInfo(Path file, JsonNode root) {
        this.file = file;
        this.root = root;
    }

    /**
     * Reads a file that describes datasets.
     *
     * @param file LLaMA-Factory's {@code dataset_info.json}
     * @return what the file says
     * @throws UserErrorException when there is no such file, or it is not a JSON object
     */
    public static DatasetInfo read(Path file) {
        return new DatasetInfo(file, InputFiles.jsonObject(file));
    }

    /** {@return the names of all datasets} */
    public List<String> names() {
        List<String> names = new ArrayList<>();
        root.fieldNames().forEachRemaining(names::add);
        return names;
    }

    /**
     * What the file says about a dataset.
     *
     * @param name one of {@link #names()}
     * @return a builder with all that the file says
     * @throws UserErrorException when it has no such dataset, or one that is not in a file
     */
    public DatasetSpec.Builder dataset(String name) {
        JsonNode entry = root.path(name);
        if (!entry.isObject()) {
            throw new UserErrorException(file + ": no dataset '" + name + "'" + Suggestions.didYouMean(name, names()));
        }
        JsonNode fileName = entry.path("file_name");
        if (!fileName.isTextual()) {
            String remote = REMOTE.stream().filter(entry::has).findFirst().orElse("");
            throw new UserErrorException(file + ": '" + name + "' has no 'file_name'"
                    + (remote.isEmpty() ? "" : ", only '" + remote + "'; download it and name the file"));
        }
        String formatting = entry.path("formatting").asText("alpaca");
        if (!FORMATTINGS.contains(formatting)) {
            throw new UserErrorException(
                    file + ": '" + name + "': 'formatting' is " + formatting + ", expected alpaca, sharegpt or openai");
        }
        refuseMisspelt(name, entry, KEYS);
        refuseMisspelt(name, entry.path("columns"), COLUMNS);
        DatasetSpec.Builder spec = DatasetSpec.of(
                        file.resolveSibling(InputFiles.path(file + ": dataset '" + name + "'", fileName.textValue()))
                                .toString())
                .name(name)
                .maxSamples(entry.path("num_samples").asInt(0));
        Map<String, String> columns = columns(entry.path("columns"));
        String format = format(entry, formatting, columns);
        if (format.equals(MESSAGES)) {
            columns.forEach(spec::column);
            return spec.format(format);
        }
        if (!formatting.equals("alpaca") && columns.containsKey(MESSAGES)) {
            columns.put("conversations", columns.remove(MESSAGES)); // as ShareGPT's formats call them
        }
        if (format.equals("text")) {
            return spec.format(format).column("text", columns.getOrDefault("instruction", "text"));
        }
        columns.forEach((key, column) -> {
            if (!key.equals(column)) {
                spec.column(key, column);
            }
        });
        return spec.format(format).tags(tags(entry.path("tags")));
    }

    /** Files have keys of older versions, which are of no use; what is nearly one of ours is meant to be it. */
    private void refuseMisspelt(String name, JsonNode node, List<String> known) {
        node.fieldNames().forEachRemaining(key -> {
            Optional<String> nearest = known.contains(key) ? Optional.empty() : Suggestions.nearest(key, known);
            if (nearest.isPresent()) {
                throw new UserErrorException(
                        file + ": '" + name + "': unknown key '" + key + "', did you mean '" + nearest.get() + "'?");
            }
        });
    }

    private static String format(JsonNode entry, String formatting, Map<String, String> columns) {
        if (columns.containsKey("label")) {
            return "unpaired_preference";
        }
        if (entry.path("ranking").asBoolean()) {
            return "preference";
        }
        if (formatting.equals(OPEN_AI) && saysOpenAiTags(entry.path("tags"))) {
            return MESSAGES;
        }
        if (!formatting.equals("alpaca")) {
            return SHARE_GPT;
        }
        boolean onlyPrompt = columns.containsKey("instruction") && columns.size() == 1;
        return onlyPrompt ? "text" : "alpaca";
    }

    /** LLaMA-Factory wants them said; others than OpenAI's own make another format of it. */
    private static boolean saysOpenAiTags(JsonNode tags) {
        return OPEN_AI_TAGS.entrySet().stream()
                .allMatch(tag -> tags.path(tag.getKey()).asText(tag.getValue()).equals(tag.getValue()));
    }

    private static Map<String, String> columns(JsonNode columns) {
        Map<String, String> mapped = new HashMap<>();
        columns.properties().forEach(column -> {
            String key = ALPACA_COLUMNS.getOrDefault(column.getKey(), column.getKey());
            boolean media = key.equals("images") || key.equals("videos") || key.equals("audios");
            if (!media) {
                mapped.put(key, column.getValue().asText());
            }
        });
        return mapped;
    }

    private static @Nullable MessageTags tags(JsonNode tags) {
        if (tags.isMissingNode()) {
            return null;
        }
        Map<String, String> roles = new HashMap<>();
        ROLE_TAGS.forEach((tag, role) -> {
            if (tags.has(tag)) {
                roles.put(tags.path(tag).asText(), role);
            }
        });
        return new MessageTags(
                tags.path("role_tag").asText("from"), tags.path("content_tag").asText("value"), roles);
    }
}
