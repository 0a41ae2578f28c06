package org.finetune4j.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.BadRecordPolicy;
import org.finetune4j.data.examples.DatasetInfo;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.format.FieldTemplate;
import org.jspecify.annotations.Nullable;

/** Reads which datasets a configuration names, and how each is to be understood. */
final class DatasetSettings {

    private static final String AUTO = "auto";

    private final Settings settings;

    DatasetSettings(Settings settings) {
        this.settings = settings;
    }

    /** The training datasets: {@code datasets}, {@code dataset} of a {@code dataset_info}, or {@code train_file}. */
    List<DatasetSpec> training() {
        List<String> files = settings.texts("train_file");
        boolean sql = settings.has("dataset_sql");
        Object datasets = settings.value("datasets").orElse(null);
        boolean described = settings.has("dataset_info");
        List<String> names = settings.texts("dataset");
        if ((datasets != null ? 1 : 0) + (described ? 1 : 0) + (files.isEmpty() && !sql ? 0 : 1) > 1) {
            throw new UserErrorException(
                    settings.origin() + ": give one of 'train_file', 'datasets' and 'dataset_info'");
        }
        if (datasets != null) {
            return several(datasets);
        }
        if (described) {
            return described(DatasetInfo.read(settings.path("dataset_info")), names);
        }
        if (files.isEmpty() && !sql) {
            settings.requiredText("train_file"); // says that it is missing
        }
        return List.of(spec(settings, files).build());
    }

    /** What is held out: {@code eval_file}, read as the training file is, and {@code eval_dataset} of a {@code dataset_info}. */
    List<DatasetSpec> evaluation() {
        List<DatasetSpec> all = new ArrayList<>();
        List<String> files = settings.texts("eval_file");
        if (!files.isEmpty()) {
            all.add(spec(settings, files)
                    .sql(null)
                    .maxSamples(0)
                    .maxSamplesPerTask(0)
                    .build());
        }
        List<String> names = settings.texts("eval_dataset");
        if (!names.isEmpty()) {
            settings.requiredText("dataset_info"); // says that it is missing
            all.addAll(described(DatasetInfo.read(settings.path("dataset_info")), names));
        }
        return all;
    }

    /** Whether a configuration holds data out of the training. */
    static boolean holdOut(Set<String> keys) {
        return keys.contains("eval_file") || keys.contains("eval_dataset") || keys.contains("eval_fraction");
    }

    private List<DatasetSpec> described(DatasetInfo info, List<String> names) {
        if (names.isEmpty()) {
            settings.requiredText("dataset"); // says that it is missing
        }
        return names.stream().map(name -> described(info.dataset(name))).toList();
    }

    private DatasetSpec described(DatasetSpec.Builder spec) {
        if (settings.has("max_samples")) {
            spec.maxSamples(settings.integer("max_samples", 0, 1));
        }
        spec.maxSamplesPerTask(settings.integer("max_samples_per_task", 0, 1));
        return spec.onBadRecord(onBadRecord(settings)).seed(seed()).build();
    }

    private List<DatasetSpec> several(Object datasets) {
        if (!(datasets instanceof List<?> list) || list.isEmpty()) {
            throw settings.invalid("datasets", "a list such as [{path: a.jsonl, weight: 2}]");
        }
        List<DatasetSpec> specs = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            if (!(list.get(i) instanceof Map<?, ?> map)) {
                throw settings.invalid("datasets", "a list such as [{path: a.jsonl, weight: 2}]");
            }
            Map<String, Object> values = new LinkedHashMap<>();
            map.forEach((key, value) -> {
                if (value != null) {
                    values.put(String.valueOf(key), value);
                }
            });
            Settings own = new Settings(settings.origin() + ": datasets[" + i + "]", values);
            DatasetSpec.Builder spec = own(own);
            own.refuseUnknown();
            specs.add(spec.build());
        }
        return specs;
    }

    private DatasetSpec.Builder own(Settings own) {
        DatasetSpec.Builder spec = spec(own, own.texts("path"));
        own.text("name").ifPresent(spec::name);
        own.text("format").ifPresent(format -> spec.format(format.equals(AUTO) ? null : format));
        own.text("sql").ifPresent(spec::sql);
        if (own.has("weight")) {
            spec.weight(own.number("weight", 1, Double.MIN_VALUE, Double.MAX_VALUE));
        }
        return spec;
    }

    /** What one dataset may say; what it does not say is as the whole configuration says. */
    private DatasetSpec.Builder spec(Settings own, List<String> paths) {
        DatasetSpec.Builder spec = DatasetSpec.builder().seed(seed());
        paths.forEach(spec::path);
        text(own, "dataset_format").ifPresent(format -> spec.format(format.equals(AUTO) ? null : format));
        text(own, "dataset_sql").ifPresent(spec::sql);
        columns(own).forEach(spec::column);
        templates(own).forEach(spec::template);
        spec.csvHeader(having(own, "csv_header").flag("csv_header", true));
        spec.maxSamples(having(own, "max_samples").integer("max_samples", 0, 1));
        spec.maxSamplesPerTask(having(own, "max_samples_per_task").integer("max_samples_per_task", 0, 1));
        return spec.onBadRecord(onBadRecord(having(own, "on_bad_record")));
    }

    private Optional<String> text(Settings own, String key) {
        // Inside a list of datasets these have shorter names.
        return own == settings ? settings.text(key) : Optional.empty();
    }

    private Settings having(Settings own, String key) {
        return own.has(key) ? own : settings;
    }

    private BadRecordPolicy onBadRecord(Settings own) {
        return own.choice("on_bad_record", BadRecordPolicy.values(), BadRecordPolicy.ERROR);
    }

    private long seed() {
        return settings.integer("seed", 42);
    }

    private Map<String, String> columns(Settings own) {
        Settings place = having(own, "columns");
        Object value = place.value("columns").orElse(Map.of());
        if (!(value instanceof Map<?, ?> map)) {
            throw place.invalid("columns", "names such as {prompt: question, response: answer}");
        }
        Map<String, String> columns = new LinkedHashMap<>();
        map.forEach((key, column) -> columns.put(String.valueOf(key), String.valueOf(column)));
        return columns;
    }

    private List<FieldTemplate> templates(Settings own) {
        Settings place = having(own, "templates");
        Object value = place.value("templates").orElse(List.of());
        if (!(value instanceof List<?> list)) {
            throw place.invalid("templates", "a list such as [{inputs: \"{question}\", targets: \"{answer}\"}]");
        }
        List<FieldTemplate> templates = new ArrayList<>();
        for (Object element : list) {
            String inputs = element instanceof Map<?, ?> map ? text(map.get("inputs")) : null;
            String targets = element instanceof Map<?, ?> map ? text(map.get("targets")) : null;
            if (inputs == null || targets == null) {
                throw place.invalid("templates", "a list such as [{inputs: \"{question}\", targets: \"{answer}\"}]");
            }
            templates.add(new FieldTemplate(inputs, targets));
        }
        return templates;
    }

    private static @Nullable String text(@Nullable Object value) {
        return value instanceof String text ? text : null;
    }
}
