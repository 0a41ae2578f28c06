package org.finetune4j.peft;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
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
 * @param layers the layers to work on
 * @param saved modules that train as a whole
 */
public record ModuleSelection(
        @Nullable TargetModules targets, @Nullable TargetModules exclude, LayerNumbers layers, SavedModules saved) {

    private static final String TARGETS = "target_modules";
    private static final String EXCLUDE = "exclude_modules";

    /**
     * Checks that the settings go together.
     *
     * @param targets which modules, or null for those that PEFT takes by default
     * @param exclude modules to leave out, or null
     * @param layers the layers to work on
     * @param saved modules that train as a whole
     * @throws UserErrorException when layers are chosen by number and targets by a regular expression, which PEFT refuses
     */
    public ModuleSelection {
        if (targets instanceof TargetModules.Regex && !layers.numbers().isEmpty()) {
            throw new UserErrorException(LayerNumbers.NUMBERS + " chooses among names of " + TARGETS
                    + ", which is one regular expression here: put the layers into it");
        }
    }

    /**
     * PEFT's default targets and nothing else.
     *
     * @return the selection
     */
    public static ModuleSelection defaults() {
        return of((TargetModules) null);
    }

    /**
     * These targets in all layers.
     *
     * @param targets which modules, or null for PEFT's default
     * @return the selection
     */
    public static ModuleSelection of(@Nullable TargetModules targets) {
        return new ModuleSelection(targets, null, LayerNumbers.all(), new SavedModules(List.of(), false));
    }

    /**
     * Other targets, else the same.
     *
     * @param newTargets which modules, or null for PEFT's default
     * @return the selection
     */
    public ModuleSelection withTargets(@Nullable TargetModules newTargets) {
        return new ModuleSelection(newTargets, exclude, layers, saved);
    }

    /**
     * Other exclusions, else the same.
     *
     * @param newExclude modules to leave out, or null
     * @return the selection
     */
    public ModuleSelection withExclude(@Nullable TargetModules newExclude) {
        return new ModuleSelection(targets, newExclude, layers, saved);
    }

    /**
     * Other layers, else the same.
     *
     * @param newLayers the layers to work on
     * @return the selection
     */
    public ModuleSelection withLayers(LayerNumbers newLayers) {
        return new ModuleSelection(targets, exclude, newLayers, saved);
    }

    /**
     * Other modules that train as a whole, else the same.
     *
     * @param names as PEFT's {@code modules_to_save}
     * @return the selection
     */
    public ModuleSelection withModulesToSave(List<String> names) {
        return new ModuleSelection(targets, exclude, layers, new SavedModules(names, false));
    }

    /**
     * Reads PEFT's keys.
     *
     * @param settings a user's or an adapter's
     * @param fromFile whether the settings are PEFT's own file, in which a single text is a regular expression; users
     *     mean a name by a text that looks like one
     * @return what they say
     * @throws UserErrorException when they cannot be used
     */
    public static ModuleSelection from(Settings settings, boolean fromFile) {
        return from(settings, fromFile, false);
    }

    /**
     * {@link #from(Settings, boolean)} for a method that can do without modules.
     *
     * @param settings a user's or an adapter's
     * @param fromFile whether the settings are PEFT's own file
     * @param none whether no targets mean that no module is one, in place of PEFT's defaults
     * @return what they say
     * @throws UserErrorException when they cannot be used
     */
    public static ModuleSelection from(Settings settings, boolean fromFile, boolean none) {
        Object listed = settings.value(TARGETS).orElse(null);
        boolean empty = listed == null || (listed instanceof List<?> list && list.isEmpty());
        return new ModuleSelection(
                none && empty ? new TargetModules.Names(List.of()) : modules(settings, TARGETS, fromFile),
                modules(settings, EXCLUDE, fromFile),
                LayerNumbers.from(settings),
                new SavedModules(settings.texts(SavedModules.KEY), fromFile));
    }

    /**
     * Modules by names or by one regular expression, or null where the setting is missing.
     *
     * @param settings a user's or an adapter's
     * @param key such as {@code target_modules}
     * @param fromFile whether the settings are PEFT's own file, in which a single text is a regular expression
     * @return the modules, or null
     */
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
        return text.equalsIgnoreCase(TargetModules.ALL_LINEAR)
                ? new TargetModules.AllLinear()
                : new TargetModules.Regex(text);
    }

    /**
     * The modules to work on, without those that are trained as a whole.
     *
     * @param model whose modules are chosen
     * @param peftType the method, for PEFT's default targets
     * @param kinds what can be a target
     * @return the modules by path
     * @throws UserErrorException when nothing is left, or a name matches nothing; with the nearest name
     */
    public Map<String, Module> select(CausalLM model, String peftType, List<Class<? extends Module>> kinds) {
        Map<String, @Nullable Object> known = PeftKeys.defaults(peftType);
        if (!layers.numbers().isEmpty() && !known.isEmpty() && !known.containsKey(LayerNumbers.NUMBERS)) {
            throw new UserErrorException(LayerNumbers.NUMBERS + " is no setting of " + peftType
                    + ", whose adapter could" + " not say it: choose the layers by a regular expression in " + TARGETS);
        }
        TargetModules wanted = targets == null ? DefaultTargets.of(peftType, model) : targets;
        Map<String, Module> modules = wanted.modules(model, TARGETS, kinds);
        SavedModules whole = saved.on(model);
        modules.keySet().removeIf(path -> !includes(path, whole));
        if (modules.isEmpty()) {
            throw new UserErrorException(TARGETS + ": no module is left after " + EXCLUDE + ", " + LayerNumbers.NUMBERS
                    + " and " + SavedModules.KEY);
        }
        return modules;
    }

    private boolean includes(String path, SavedModules whole) {
        if ((exclude != null && exclude.matches(path)) || whole.hold(path)) {
            return false;
        }
        // A whole path names its layer itself.
        boolean exact =
                targets instanceof TargetModules.Names list && list.names().contains(path);
        return exact || layers.include(path);
    }

    /**
     * What a report shows.
     *
     * @return the targets as a user writes them
     */
    public String describeTargets() {
        return targets == null ? "default" : targets.describe();
    }

    /**
     * The keys that this reads.
     *
     * @return PEFT's names
     */
    public static List<String> keys() {
        return List.of(TARGETS, EXCLUDE, LayerNumbers.NUMBERS, LayerNumbers.LISTS, SavedModules.KEY);
    }

    /**
     * The copies of the modules that train as a whole, under the keys that PEFT has them under.
     *
     * @param model whose modules they are
     * @param adapted paths of the modules that the method adapts
     * @param trainable whether they train
     * @return the copies
     * @throws UserErrorException when a name matches nothing, with the nearest name, or means an adapted module
     */
    public List<TrainedCopy> savedModules(CausalLM model, Collection<String> adapted, boolean trainable) {
        return saved.on(model).copies(model, adapted, trainable);
    }

    /**
     * {@link #savedModules(CausalLM, Collection, boolean)}, where an output layer may share the embedding's copy.
     *
     * @param model whose modules they are
     * @param adapted paths of the modules that the method adapts
     * @param tie whether layers that share their weight go on sharing it
     * @param trainable whether they train
     * @return the copies
     * @throws UserErrorException when a name matches nothing, with the nearest name, or means an adapted module
     */
    public List<TrainedCopy> savedModules(CausalLM model, Collection<String> adapted, boolean tie, boolean trainable) {
        SavedModules all = saved.on(model);
        return tie ? all.tiedCopies(model, adapted, trainable) : all.copies(model, adapted, trainable);
    }

    /**
     * The settings under PEFT's keys.
     *
     * @param peftType leaves out keys that PEFT does not have for this method
     * @param model that the modules are in
     * @param paths of the modules that were selected: as PEFT does, {@code all-linear} and defaults are written as the names
     *     they stand for
     * @return JSON values by key
     */
    public Map<String, @Nullable Object> toJson(String peftType, CausalLM model, Collection<String> paths) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        TargetModules wanted =
                targets == null ? DefaultTargets.find(peftType, model).orElse(new TargetModules.AllLinear()) : targets;
        json.put(TARGETS, written(wanted, paths));
        json.put(EXCLUDE, exclude == null ? null : written(exclude, List.of()));
        json.put(LayerNumbers.NUMBERS, PeftKeys.orNull(layers.numbers()));
        List<String> lists = layers.lists();
        json.put(LayerNumbers.LISTS, lists.size() == 1 ? lists.get(0) : PeftKeys.orNull(lists));
        json.put(SavedModules.KEY, PeftKeys.orNull(saved.on(model).names()));
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
