package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Module;
import org.finetune4j.regex.RegularExpression;
import org.jspecify.annotations.Nullable;

/**
 * Which modules a method works on, with the settings that PEFT has for it.
 *
 * @param targets which modules, or null for those that PEFT takes by default
 * @param exclude modules to leave out, or null
 * @param layersToTransform numbers of the layers to work on; empty for all
 * @param layersPatterns names that the list of layers may have; empty for any
 * @param modulesToSave names of modules that train as a whole
 */
public record ModuleSelection(
        @Nullable TargetModules targets,
        @Nullable TargetModules exclude,
        List<Integer> layersToTransform,
        List<String> layersPatterns,
        List<String> modulesToSave) {

    /** PEFT names both for a classifier of any architecture, which has one of them. */
    private static final List<String> PEFT_HEADS = List.of("classifier", "score");

    private static final String TARGETS = "target_modules";
    private static final String EXCLUDE = "exclude_modules";
    private static final String LAYERS = "layers_to_transform";
    private static final String PATTERN = "layers_pattern";
    private static final String SAVE = "modules_to_save";

    public ModuleSelection {
        layersToTransform = List.copyOf(layersToTransform);
        layersPatterns = List.copyOf(layersPatterns);
        modulesToSave = List.copyOf(modulesToSave);
    }

    /** PEFT's default targets and nothing else. */
    public static ModuleSelection defaults() {
        return of((TargetModules) null);
    }

    /** These targets in all layers. */
    public static ModuleSelection of(@Nullable TargetModules targets) {
        return new ModuleSelection(targets, null, List.of(), List.of(), List.of());
    }

    /** Other targets, else the same. */
    public ModuleSelection withTargets(@Nullable TargetModules newTargets) {
        return new ModuleSelection(newTargets, exclude, layersToTransform, layersPatterns, modulesToSave);
    }

    /** Other exclusions, else the same. */
    public ModuleSelection withExclude(@Nullable TargetModules newExclude) {
        return new ModuleSelection(targets, newExclude, layersToTransform, layersPatterns, modulesToSave);
    }

    /** Other layers, else the same. */
    public ModuleSelection withLayers(List<Integer> numbers, List<String> patterns) {
        return new ModuleSelection(targets, exclude, numbers, patterns, modulesToSave);
    }

    /** Other modules that train as a whole, else the same. */
    public ModuleSelection withModulesToSave(List<String> names) {
        return new ModuleSelection(targets, exclude, layersToTransform, layersPatterns, names);
    }

    /**
     * Reads PEFT's keys.
     *
     * @param fromFile whether the settings are PEFT's own file, in which a single text is a regular expression; users
     *     mean a name by a text that looks like one
     */
    public static ModuleSelection from(Settings settings, boolean fromFile) {
        return new ModuleSelection(
                modules(settings, TARGETS, fromFile),
                modules(settings, EXCLUDE, fromFile),
                layers(settings),
                settings.texts(PATTERN),
                settings.texts(SAVE));
    }

    /** Modules by names or by one regular expression, or null where the setting is missing. */
    public static @Nullable TargetModules modules(Settings settings, String key, boolean fromFile) {
        Object value = settings.value(key).orElse(null);
        if (value == null) {
            return null;
        }
        if (value instanceof List) {
            List<String> names = settings.texts(key);
            if (names.isEmpty()) {
                throw settings.invalid(key, "at least one name");
            }
            return new TargetModules.Names(names);
        }
        String text = settings.requiredText(key);
        RegularExpression.compile(settings.origin() + ": '" + key + "'", text);
        if (!fromFile) {
            return TargetModules.of(text);
        }
        return text.equals(TargetModules.ALL_LINEAR) ? new TargetModules.AllLinear() : new TargetModules.Regex(text);
    }

    private static List<Integer> layers(Settings settings) {
        List<Integer> layers = new ArrayList<>();
        for (String text : settings.texts(LAYERS)) {
            try {
                layers.add(Integer.parseInt(text));
            } catch (NumberFormatException e) {
                throw settings.invalid(LAYERS, "numbers of layers");
            }
        }
        return layers;
    }

    /**
     * The modules to work on, without those that are trained as a whole.
     *
     * @param peftType the method, for PEFT's default targets
     * @throws UserErrorException when nothing is left, or a name matches nothing; with the nearest name
     */
    public Map<String, Module> select(CausalLM model, String peftType, List<Class<? extends Module>> kinds) {
        TargetModules wanted = targets == null ? DefaultTargets.of(peftType, model) : targets;
        Map<String, Module> modules = wanted.modules(model, TARGETS, kinds);
        modules.keySet().removeIf(path -> !includes(path) || isSaved(path));
        if (modules.isEmpty()) {
            throw new UserErrorException(
                    TARGETS + ": no module is left after " + EXCLUDE + ", " + LAYERS + " and " + SAVE);
        }
        return modules;
    }

    private boolean includes(String path) {
        if (exclude != null && exclude.matches(path)) {
            return false;
        }
        if (layersToTransform.isEmpty()) {
            return true;
        }
        List<String> lists = layersPatterns.isEmpty() ? List.of("[^.]*") : layersPatterns;
        for (String list : lists) {
            Optional<String> number = RegularExpression.compile(PATTERN, "(?:.*\\.)?" + list + "\\.(?P<idx>\\d+)\\.")
                    .group(path, "idx");
            if (number.isPresent()) {
                return layersToTransform.contains(Integer.parseInt(number.get()));
            }
        }
        return false;
    }

    /** What a report shows. */
    public String describeTargets() {
        return targets == null ? "default" : targets.toString();
    }

    /** The keys that this reads. */
    public static List<String> keys() {
        return List.of(TARGETS, EXCLUDE, LAYERS, PATTERN, SAVE);
    }

    /** Whether the module at this path trains as a whole. */
    public boolean isSaved(String path) {
        return modulesToSave.stream().anyMatch(name -> TargetModules.endsWith(path, name));
    }

    /**
     * The copies of the modules that train as a whole, under the keys that PEFT has them under.
     *
     * @throws UserErrorException when a name matches nothing, with the nearest name
     */
    public List<TrainedCopy> savedModules(CausalLM model, boolean trainable) {
        Map<String, Module> modules = model.network().namedModules();
        boolean heads = modulesToSave.containsAll(PEFT_HEADS);
        for (String name : modulesToSave) {
            if (!(heads && PEFT_HEADS.contains(name))
                    && modules.keySet().stream().noneMatch(path -> TargetModules.endsWith(path, name))) {
                throw new UserErrorException(SAVE + ": '" + name + "' matches no module of this model"
                        + Suggestions.didYouMean(name, modules.keySet()));
            }
        }
        List<TrainedCopy> copies = new ArrayList<>();
        modules.forEach((path, module) -> {
            if (isSaved(path)) {
                // A whole block may be named: PEFT keeps all of its parameters.
                module.namedParameters().forEach((name, parameter) -> {
                    String inner = name.contains(".") ? path + "." + name.substring(0, name.lastIndexOf('.')) : path;
                    Module owner = inner.equals(path) ? module : modules.get(inner);
                    String leaf = name.substring(name.lastIndexOf('.') + 1);
                    copies.add(TrainedCopy.of(
                            AdapterWeights.PREFIX + path + "." + name,
                            inner,
                            Objects.requireNonNull(owner),
                            leaf,
                            AdapterDType.of(model),
                            trainable));
                });
            }
        });
        return copies;
    }

    /**
     * The settings under PEFT's keys.
     *
     * @param peftType leaves out keys that PEFT does not have for this method
     * @param paths of the modules that were selected: as PEFT does, {@code all-linear} and defaults are written as the
     *     names they stand for
     */
    public Map<String, @Nullable Object> toJson(String peftType, CausalLM model, Collection<String> paths) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        TargetModules wanted =
                targets == null ? DefaultTargets.find(peftType, model).orElse(new TargetModules.AllLinear()) : targets;
        json.put(TARGETS, written(wanted, paths));
        json.put(EXCLUDE, exclude == null ? null : written(exclude, List.of()));
        json.put(LAYERS, PeftKeys.orNull(layersToTransform));
        json.put(PATTERN, layersPatterns.size() == 1 ? layersPatterns.get(0) : PeftKeys.orNull(layersPatterns));
        json.put(SAVE, PeftKeys.orNull(modulesToSave));
        Map<String, @Nullable Object> known = PeftKeys.defaults(peftType);
        json.keySet().removeIf(key -> !known.isEmpty() && !known.containsKey(key));
        return json;
    }

    private static Object written(TargetModules targets, Collection<String> paths) {
        if (targets instanceof TargetModules.Names names) {
            return names.names();
        }
        return targets instanceof TargetModules.Regex regex ? regex.pattern() : leaves(paths);
    }

    private static List<String> leaves(Collection<String> paths) {
        return paths.stream()
                .map(path -> path.substring(path.lastIndexOf('.') + 1))
                .distinct()
                .sorted()
                .toList();
    }
}
