package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.stage.StageProvider;
import org.jspecify.annotations.Nullable;

/**
 * Trainings in a row, as {@code stages: [sft, rm, ppo]} asks for them. A key beside {@code stages} goes to every stage that
 * has it; a section with a stage's name ({@code sft: {...}}, or {@code sft.learning_rate=1e-3} in the arguments) to that
 * one alone. Each trains the model that the last one before it left, in a directory of its own below {@code output_dir}.
 *
 * @param outputDirectory where the stages' directories are
 * @param stages in their order
 */
record PipelineSettings(Path outputDirectory, List<PipelineStage> stages) {

    private static final String STAGES = "stages";
    private static final String STAGE = "stage";
    private static final String OUTPUT = "output_dir";
    private static final String MODEL = "model_name_or_path";

    /** Where the stages that ask one find the reward model that an earlier stage trained. */
    private static final String REWARD_MODEL = "reward_model_path";

    /** Copies the list. */
    PipelineSettings {
        stages = List.copyOf(stages);
    }

    /** Whether a configuration asks for several trainings. */
    static boolean isPipeline(Settings settings) {
        return settings.has(STAGES);
    }

    /**
     * Reads all stages, so that a wrong key of the last is found before the first trains.
     *
     * @throws UserErrorException for the first key that is unknown, missing or has a value that cannot be used
     */
    static PipelineSettings of(Settings settings) {
        List<String> names = names(settings);
        Path output = settings.path(OUTPUT);
        Map<String, Map<String, Object>> sections = sections(settings, names);
        Map<String, @Nullable Object> common = common(settings, sections.keySet());
        List<Map<String, Object>> each = new ArrayList<>();
        names.forEach(name -> each.add(sections.getOrDefault(name, Map.of())));
        Sections.refuseOverridden(settings, common.keySet(), each, "stage");
        List<PipelineStage> stages = new ArrayList<>();
        List<Settings> read = new ArrayList<>();
        PipelineStage base = null;
        Path rewardModel = null;
        for (String name : names) {
            Map<String, @Nullable Object> values = new LinkedHashMap<>(common);
            Set<String> given = new LinkedHashSet<>();
            if (base != null) {
                values.put(MODEL, base.model().toString());
            }
            if (rewardModel != null) {
                values.putIfAbsent(REWARD_MODEL, rewardModel.toString());
            }
            Map<String, Object> section = sections.getOrDefault(name, Map.of());
            values.putAll(section);
            given.addAll(section.keySet());
            values.put(STAGE, name);
            values.put(OUTPUT, output.resolve(name).toString());
            String origin = settings.origin() + ", stage " + name;
            Map<String, String> written = new LinkedHashMap<>(settings.written());
            written.keySet().retainAll(common.keySet());
            written.keySet().removeAll(section.keySet());
            Settings own = FamiliarKeys.translate(new Settings(origin, values, written));
            TrainingSettings training = TrainingSettings.read(own);
            requireKnown(own, training, given);
            PipelineStage stage = new PipelineStage(name, own, training);
            stages.add(stage);
            read.add(own);
            if (stage.continuesAsBase()) {
                base = stage;
            } else {
                rewardModel = training.outputDirectory();
            }
        }
        requireUsed(settings, common, read);
        requireMergeable(stages);
        return new PipelineSettings(output, stages);
    }

    /** {@return the stage of that name} */
    PipelineStage named(String name) {
        return stages.stream()
                .filter(stage -> stage.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("no stage " + name));
    }

    private static List<String> names(Settings settings) {
        if (settings.has(STAGE)) {
            throw new UserErrorException(
                    settings.origin() + ": 'stage' and 'stages' exclude each other: name all of them in 'stages'");
        }
        if (settings.value(STAGES).orElse(null) instanceof List<?> list
                && list.stream().anyMatch(Map.class::isInstance)) {
            throw settings.invalid(
                    STAGES, "their names, such as [sft, dpo]; keys of one stand in a section of its name, 'sft:'");
        }
        List<String> names = settings.texts(STAGES);
        Set<String> seen = new LinkedHashSet<>();
        for (String name : names) {
            Choices.naming(settings, STAGES, () -> StageProvider.named(name));
            if (!seen.add(name)) {
                throw new UserErrorException(settings.origin() + ": 'stages' names " + name
                        + " twice, and its section and its directory are called so: a stage is in a row once");
            }
        }
        if (names.isEmpty()) {
            throw settings.invalid(STAGES, "names of stages, such as [sft, dpo]");
        }
        return names;
    }

    /** What is set for one stage alone: maps under its name, and keys such as {@code sft.learning_rate}. */
    @SuppressWarnings("unchecked")
    private static Map<String, Map<String, Object>> sections(Settings settings, List<String> names) {
        Map<String, Map<String, Object>> sections = new LinkedHashMap<>();
        for (String name : names) {
            Optional<Object> section = settings.value(name);
            if (section.isPresent()) {
                if (!(section.get() instanceof Map<?, ?> map)) {
                    throw settings.invalid(name, "keys and values for stage " + name);
                }
                sections.put(name, new LinkedHashMap<>((Map<String, Object>) map));
            }
        }
        settings.asMap().forEach((key, value) -> {
            int dot = key.indexOf('.');
            String name = dot < 0 ? "" : key.substring(0, dot);
            if (names.contains(name) && value != null) {
                sections.computeIfAbsent(name, stage -> new LinkedHashMap<>()).put(key.substring(dot + 1), value);
            }
        });
        sections.forEach((name, section) -> List.of(STAGES, STAGE, OUTPUT).forEach(key -> {
            if (section.containsKey(key)) {
                throw new UserErrorException(settings.origin() + ": '" + key + "' of stage " + name
                        + " is not its own to set: the row of stages decides it");
            }
        }));
        return sections;
    }

    private static Map<String, @Nullable Object> common(Settings settings, Collection<String> sections) {
        Map<String, @Nullable Object> common = new LinkedHashMap<>();
        common.putAll(settings.asMap());
        common.keySet().removeAll(List.of(STAGES, OUTPUT));
        common.keySet()
                .removeIf(key -> sections.contains(key)
                        || (key.contains(".") && sections.contains(key.substring(0, key.indexOf('.')))));
        return common;
    }

    /** What a section sets must be its stage's. */
    private static void requireKnown(Settings own, TrainingSettings training, Set<String> given) {
        Settings.UnknownKey verdict = training.foreignKeys(own);
        own.refuseUnknown((key, value) ->
                given.contains(key) || given.contains(own.written().get(key)) ? verdict.problem(key, value) : null);
    }

    /** What is set for all must be at least one's. */
    private static void requireUsed(Settings settings, Map<String, ?> common, List<Settings> read) {
        Set<String> known = new LinkedHashSet<>();
        read.forEach(own -> known.addAll(own.known()));
        Settings shared = FamiliarKeys.translate(new Settings(settings.origin(), common));
        ForeignKeys verdict = new ForeignKeys(known, "of the stages", "of this row");
        shared.refuseUnknown((key, value) -> known.contains(key) ? null : verdict.problem(key, value));
    }

    /** A stage that others build on must leave a model, not only an adapter beside one. */
    private static void requireMergeable(List<PipelineStage> stages) {
        for (PipelineStage stage : stages.subList(0, stages.size() - 1)) {
            if (stage.continuesAsBase() && !stage.training().strategy().mergesIntoBase()) {
                throw new UserErrorException(stage.settings().origin() + ": method "
                        + stage.training().strategy().method()
                        + " cannot be merged into its base, and the next stage goes on from the merged model: choose"
                        + " lora for this stage");
            }
        }
    }

    /** The page about all stages. */
    Path report() {
        return outputDirectory.resolve("report.html");
    }
}
