package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.continual.ContinualMethod;
import org.finetune4j.train.stage.SupervisedFineTuning;
import org.jspecify.annotations.Nullable;

/**
 * Several tasks in a row, as {@code tasks: [{name: ..., train_file: ..., eval_file: ...}]} names them. A key beside {@code tasks} is
 * every task's, one inside a task is that task's alone; {@code continual} says how forgetting is kept away.
 *
 * @param settings all that is set
 * @param method how forgetting is kept away
 * @param metric what tasks are scored by
 * @param tasks in their order
 */
record ContinualSettings(Settings settings, ContinualMethod method, String metric, List<Task> tasks) {

    private static final String TASKS = "tasks";
    private static final String SECTION = "continual";
    private static final String OUTPUT = "output_dir";
    private static final double HELD_OUT = 0.1;

    /** What is the same for all tasks, as they share a model and an adapter. */
    private static final List<String> SHARED = List.of("model_name_or_path", "method", OUTPUT, TASKS, SECTION, "seed");

    /**
     * One task.
     *
     * @param name and of its directory, behind its number
     * @param settings all that is set for it
     * @param training what they ask for
     */
    record Task(String name, Settings settings, TrainingSettings training) {}

    /** Copies the list. */
    ContinualSettings {
        tasks = List.copyOf(tasks);
    }

    /** Whether a configuration is a row of tasks. */
    static boolean isContinual(Settings settings) {
        return settings.has(TASKS);
    }

    /**
     * Refuses a row of tasks where one training is expected.
     *
     * @throws UserErrorException when there are tasks
     */
    static void refuse(Settings settings) {
        if (isContinual(settings)) {
            throw new UserErrorException(
                    settings.origin() + ": 'tasks' are learned one after the other by ./finetune continual");
        }
    }

    /**
     * Reads all tasks, so that a wrong key of the last is found before the first trains.
     *
     * @throws UserErrorException for the first key that is unknown, missing or has a value that cannot be used
     */
    static ContinualSettings of(Settings settings) {
        Settings own = new Settings(settings.origin() + ": " + SECTION, Sections.take(settings, SECTION));
        ContinualMethod method = method(own);
        String metric = own.text("metric").orElse("loss");
        own.refuseUnknown();
        Map<String, Object> common = new LinkedHashMap<>();
        settings.asMap().forEach((key, value) -> {
            if (value != null && !key.equals(TASKS) && !key.equals(SECTION) && !key.startsWith(SECTION + ".")) {
                common.put(key, value);
            }
        });
        Set<String> known = new LinkedHashSet<>(Set.of(TASKS, SECTION));
        List<Task> tasks = new ArrayList<>();
        Set<String> names = new LinkedHashSet<>();
        List<Map<String, Object>> sections = sections(settings);
        Sections.refuseOverridden(settings, common.keySet(), sections, "task");
        for (Map<String, Object> section : sections) {
            Task task = task(settings, common, section, tasks.size() + 1, metric);
            if (!names.add(task.name())) {
                throw new UserErrorException(settings.origin() + ": two tasks are called " + task.name());
            }
            known.addAll(task.settings().known());
            Set<String> ofTask = section.keySet();
            ForeignKeys verdict = task.training().foreignKeys(task.settings());
            task.settings().refuseUnknown((key, value) -> ofTask.contains(key) ? verdict.problem(key, value) : null);
            tasks.add(task);
        }
        String adapted = tasks.get(0).training().strategy().method();
        if (method instanceof ContinualMethod.OLora && !adapted.equals("lora")) {
            throw new UserErrorException(own.origin() + ": olora gives every task a LoRA of its own, and the method is "
                    + adapted + ": choose lora");
        }
        ForeignKeys verdict = new ForeignKeys(known, adapted, "sft");
        settings.refuseUnknown((key, value) ->
                known.contains(key) || key.startsWith(SECTION + ".") ? null : verdict.problem(key, value));
        return new ContinualSettings(settings, method, metric, tasks);
    }

    private static ContinualMethod method(Settings own) {
        String name = own.text("method").orElse("sequential");
        return switch (name) {
            case "sequential" -> new ContinualMethod.Sequential();
            case "replay" ->
                new ContinualMethod.Replay(
                        own.integer("replay_bytes", 1 << 20, 1, Integer.MAX_VALUE),
                        own.number("replay_share", 0.5, 0.01, 0.99));
            case "ewc" ->
                new ContinualMethod.Ewc(
                        own.number("ewc_lambda", 1, 0, 1e12), own.integer("fisher_samples", 64, 1, 1 << 20));
            case "olora" -> new ContinualMethod.OLora(own.number("olora_lambda", 0.5, 0, 1e12));
            case "l2" -> new ContinualMethod.L2(own.number("l2_lambda", 0.1, 0, 1e12));
            default ->
                throw new UserErrorException(
                        own.origin() + ": 'method' is " + name + Suggestions.among(name, ContinualMethod.NAMES));
        };
    }

    private static List<Map<String, Object>> sections(Settings settings) {
        String expected = "a list of tasks with their data, such as [{name: first, train_file: first.jsonl}]";
        if (!(settings.value(TASKS).orElse(List.of()) instanceof List<?> list) || list.size() < 2) {
            throw settings.has(TASKS)
                    ? settings.invalid(TASKS, expected + ", two at least")
                    : new UserErrorException(settings.origin() + ": 'tasks' is missing, expected " + expected);
        }
        List<Map<String, Object>> sections = new ArrayList<>();
        for (Object one : list) {
            if (!(one instanceof Map<?, ?> map)) {
                throw settings.invalid(TASKS, expected);
            }
            Map<String, Object> section = new LinkedHashMap<>();
            map.forEach((key, value) -> {
                if (value != null) {
                    section.put(String.valueOf(key), value);
                }
            });
            sections.add(section);
        }
        return sections;
    }

    private static Task task(
            Settings settings, Map<String, Object> common, Map<String, Object> section, int number, String metric) {
        String name = String.valueOf(section.remove("name"));
        if (!name.matches("[A-Za-z0-9_.-]{1,64}") || name.startsWith(".") || name.equals("null")) {
            throw new UserErrorException(settings.origin() + ": a task's 'name' is " + name
                    + ", expected up to 64 letters, digits, '-', '_' and '.': its directory is called so");
        }
        String origin = settings.origin() + ", task " + name;
        for (String key : SHARED) {
            if (section.containsKey(key)) {
                throw new UserErrorException(
                        origin + ": '" + key + "' is the same for all tasks: set it beside 'tasks'");
            }
        }
        Map<String, Object> values = new LinkedHashMap<>(common);
        values.putAll(section);
        values.putIfAbsent("num_preview_samples", 0);
        values.put(OUTPUT, settings.path(OUTPUT).resolve(number + "-" + name).toString());
        if (!DatasetSettings.holdOut(values.keySet())) {
            values.put("eval_fraction", HELD_OUT);
        }
        if (!metric.equals("loss") && !metric.equals("perplexity")) {
            values.putIfAbsent("eval_metrics", List.of("loss", metric));
        }
        Map<String, String> written = new LinkedHashMap<>(settings.written());
        written.keySet().removeAll(section.keySet());
        Settings own = FamiliarKeys.translate(new Settings(origin, values, written));
        TrainingSettings training = TrainingSettings.read(own);
        if (!(training.data().stage() instanceof SupervisedFineTuning)) {
            throw own.invalid("stage", "sft: tasks in a row are learned from answers");
        }
        if (!(training.strategy() instanceof PeftStrategy)) {
            throw own.invalid("method", "one that makes an adapter, such as lora");
        }
        if (training.arguments().selection().loadBestAtEnd()) {
            throw own.invalid("load_best_model_at_end", "false: a task ends where its training ends");
        }
        training.parallel().requireAlone();
        return new Task(name, own, training);
    }

    /** A task's training in a directory. */
    TrainingSettings training(Task task, Path directory, boolean resumes) {
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        values.putAll(task.settings().asMap());
        values.put(OUTPUT, directory.toString());
        values.put("resume_from_checkpoint", resumes);
        return TrainingSettings.read(
                new Settings(task.settings().origin(), values, task.settings().written()));
    }

    /** The first task's training, whose model and method are all tasks'. */
    TrainingSettings first() {
        return tasks.get(0).training();
    }

    /** Where everything goes. */
    Path outputDirectory() {
        return Objects.requireNonNull(first().outputDirectory().getParent());
    }

    /** Whether less of the metric is better. */
    boolean lowerIsBetter() {
        return metric.equals("loss") || metric.equals("perplexity");
    }

    /** What must be the same for a row that was begun to go on, however it was written. */
    Map<String, String> identity() {
        Map<String, String> identity = PipelineStage.identity(settings);
        identity.keySet().removeIf(key -> key.equals(SECTION) || key.startsWith(SECTION + "."));
        Sections.take(settings, SECTION)
                .forEach((key, value) -> identity.put(SECTION + "." + key, String.valueOf(value)));
        return identity;
    }
}
