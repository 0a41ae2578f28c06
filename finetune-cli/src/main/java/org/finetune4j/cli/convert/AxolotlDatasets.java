package org.finetune4j.cli.convert;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The list {@code datasets} of Axolotl, whose entries name files and how records become prompts. */
final class AxolotlDatasets {

    private static final Pattern FILE = Pattern.compile(".*\\.(jsonl?|csv|tsv|parquet|txt)(\\.(gz|zst))?");

    /** What an entry may say that changes nothing here. */
    private static final Set<String> WITHOUT_EFFECT =
            Set.of("path", "data_files", "type", "ds_type", "trust_remote_code", "preprocess_shards", "chat_template");

    private static final String EXPECTED = "a list of entries with path and type was expected";

    private static final Set<String> KNOWN =
            Set.of("alpaca", "chat_template", "chat_template.default", "sharegpt", "completion");

    private final Conversion conversion;

    AxolotlDatasets(Conversion conversion) {
        this.conversion = conversion;
    }

    static boolean isFile(Object path) {
        return FILE.matcher(String.valueOf(path)).matches();
    }

    /** How the records of the first dataset are read, where a file of the user's takes its place; null if only they tell. */
    static @Nullable Object typeOfFirst(Map<String, ? extends @Nullable Object> values) {
        if (values.get("datasets") instanceof List<?> list
                && !list.isEmpty()
                && list.get(0) instanceof Map<?, ?> first) {
            Object type = first.get("type");
            return type instanceof Map<?, ?> || KNOWN.contains(String.valueOf(type)) ? type : null;
        }
        return values.get("pretraining_dataset") == null ? null : "completion";
    }

    void translate() {
        List<Map<String, Object>> training = entries("datasets");
        if (!training.isEmpty()) {
            conversion.put("datasets", training);
        }
        List<Map<String, Object>> heldOut = entries("test_datasets");
        if (!heldOut.isEmpty()) {
            List<Object> files = new ArrayList<>();
            heldOut.forEach(entry -> files.addAll(paths(Objects.requireNonNull(entry.get("path")))));
            conversion.put("eval_file", files);
        }
    }

    private List<Map<String, Object>> entries(String key) {
        Object value = conversion.take(key);
        List<Map<String, Object>> entries = new ArrayList<>();
        if (value instanceof List<?> list) {
            for (int i = 0; i < list.size(); i++) {
                if (list.get(i) instanceof Map<?, ?> entry) {
                    entries.add(entry(key + "[" + i + "]", entry));
                } else {
                    conversion.refuse(key + "[" + i + "]", EXPECTED);
                }
            }
        } else if (value != null) {
            conversion.refuse(key, EXPECTED);
        }
        return entries;
    }

    private Map<String, Object> entry(String place, Map<?, ?> entry) {
        Map<String, Object> ours = new LinkedHashMap<>();
        Object files = entry.get("data_files");
        Object path = files != null ? files : entry.get("path");
        if (path == null || paths(path).stream().anyMatch(file -> !isFile(file))) {
            conversion.refuse(place, path + " is no file: data is read from files, --train-file names one");
            return ours;
        }
        ours.put("path", path);
        if (entry.get("type") instanceof Map<?, ?> type) {
            template(place, type, ours);
        } else {
            type(place, String.valueOf(Objects.requireNonNullElse(entry.get("type"), "")), ours);
        }
        if (entry.get("chat_template") instanceof String own && !own.equals("tokenizer_default")) {
            conversion.refuse(place + ".chat_template", "one template is used for all datasets: chat_template");
        }
        for (Object key : entry.keySet()) {
            if (!WITHOUT_EFFECT.contains(String.valueOf(key))
                    && entry.get(key) != null
                    && !isDefault(key, entry.get(key))) {
                conversion.refuse(
                        place + "." + key, "records are read by their own keys: see columns and dataset_format");
            }
        }
        return ours;
    }

    private static List<?> paths(Object path) {
        return path instanceof List<?> list ? list : List.of(path);
    }

    /** What an entry says where that is how records are read anyway. */
    private static boolean isDefault(Object key, @Nullable Object value) {
        return switch (String.valueOf(key)) {
            case "split" -> "train".equals(value);
            case "field" -> "text".equals(value);
            case "field_messages" -> Set.of("messages", "conversations").contains(String.valueOf(value));
            case "message_field_role" -> Set.of("role", "from").contains(String.valueOf(value));
            case "message_field_content" -> Set.of("content", "value").contains(String.valueOf(value));
            case "message_property_mappings" ->
                value instanceof Map<?, ?> map
                        && (map.equals(Map.of("role", "role", "content", "content"))
                                || map.equals(Map.of("role", "from", "content", "value")));
            case "roles_to_train" ->
                value instanceof List<?> roles && Set.of("assistant", "gpt").containsAll(roles);
            case "train_on_eos" -> Set.of("turn", "last").contains(String.valueOf(value));
            case "roles" -> true; // names of roles are known
            default -> false;
        };
    }

    private void type(String place, String type, Map<String, Object> ours) {
        switch (type) {
            case "alpaca" -> ours.put("format", "alpaca");
            case "chat_template", "chat_template.default" -> conversion.put("prompt_template", "chat");
            case "sharegpt" -> {
                ours.put("format", "sharegpt");
                conversion.put("prompt_template", "chat");
            }
            case "completion" -> {
                ours.put("format", "text");
                conversion.put("train_on", "all");
            }
            case "" -> conversion.note(place + ": the first record tells how it is read");
            default -> {
                if (type.startsWith("alpaca:")) {
                    conversion.refuse(
                            place + ".type", "there is one form of alpaca's prompt, prompt_template takes another");
                } else {
                    conversion.refuse(
                            place + ".type", "'" + type + "' is none of alpaca, chat_template, sharegpt, completion");
                }
            }
        }
    }

    /** A form with {@code {instruction}} and {@code {input}}, whose names mean the fields that are named beside it. */
    private void template(String place, Map<?, ?> type, Map<String, Object> ours) {
        String system = String.valueOf(Objects.requireNonNullElse(type.get("system_prompt"), ""));
        if (!system.isEmpty()) {
            conversion.refuse(place + ".type.system_prompt", "the form says it: write it into format");
        }
        String form = String.valueOf(Objects.requireNonNullElse(type.get("format"), "{instruction}"));
        String inputs = form.replace("{instruction}", "{" + field(type, "instruction") + "}")
                .replace("{input}", "{" + field(type, "input") + "}");
        Map<String, String> own = new LinkedHashMap<>();
        own.put("inputs", inputs);
        own.put("targets", "{" + field(type, "output") + "}");
        ours.put("templates", List.of(own));
    }

    private static String field(Map<?, ?> type, String name) {
        return String.valueOf(Objects.requireNonNullElse(type.get("field_" + name), name));
    }
}
