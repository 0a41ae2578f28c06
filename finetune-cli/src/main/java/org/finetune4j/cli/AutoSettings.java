package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.format.PromptOnly;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.auto.Candidate;
import org.finetune4j.peft.auto.SearchBudget;
import org.finetune4j.peft.auto.SearchPlan;
import org.finetune4j.peft.auto.SearchSpace;
import org.finetune4j.peft.auto.SuccessiveHalving;
import org.finetune4j.peft.auto.Trial;

/**
 * A search for a method, as {@code method: auto} asks for it. What is set beside is every candidate's, unless the search
 * decides it.
 *
 * @param settings all that is set
 * @param base what is set for every candidate
 * @param plan what is searched
 * @param plain the training that nobody searched for, in the directory of the search
 */
record AutoSettings(Settings settings, Map<String, Object> base, SearchPlan plan, TrainingSettings plain) {

    /** The name of the method. */
    static final String NAME = "auto";

    private static final String METHOD = "method";
    private static final String OUTPUT = "output_dir";
    private static final String TARGETS = "target_modules";
    private static final double HELD_OUT = 0.1;

    /** What the search decides for every training of it. */
    private static final List<String> DECIDED =
            List.of("max_steps", "num_train_epochs", "load_best_model_at_end", "early_stopping_patience");

    /** What every training of it has, since a search shows candidates and not their way. */
    private static final Map<String, Object> SAME =
            Map.of("eval_strategy", "no", "save_total_limit", 1, "num_preview_samples", 0);

    /** Whether a configuration asks for a search. */
    static boolean isAuto(Settings settings) {
        return settings.text(METHOD).filter(NAME::equals).isPresent();
    }

    /**
     * Reads the search and all of its candidates.
     *
     * @throws UserErrorException for the first key that is unknown, missing or has a value that cannot be used
     */
    static AutoSettings of(Settings settings) {
        Map<String, Object> section = Sections.take(settings, NAME);
        for (String key : DECIDED) {
            if (settings.has(key)) {
                throw new UserErrorException(settings.origin() + ": '" + key
                        + "' is not to be set with method: auto: the search's budget decides how long each trains");
            }
        }
        SAME.forEach((key, value) -> {
            String given = settings.text(key).orElse("");
            if (!given.isEmpty() && !given.equals(value.toString())) {
                throw new UserErrorException(settings.origin() + ": '" + key + "' is " + given + ", and is " + value
                        + " for every training of a search: leave it out with method: auto");
            }
        });
        Map<String, Object> base = base(settings);
        Settings own = new Settings(settings.origin() + ": auto", section);
        SearchSpace standard = SearchSpace.standard();
        SearchSpace space = Sections.placed(
                own,
                () -> new SearchSpace(
                        texts(own, "methods", standard.methods()),
                        numbers(own, "ranks", standard.ranks()).stream()
                                .map(Number::intValue)
                                .toList(),
                        texts(own, "targets", standard.targets()),
                        numbers(own, "learning_rates", standard.learningRates()).stream()
                                .map(Number::doubleValue)
                                .toList()));
        long steps = own.integer("budget_steps", 0, 1, 1 << 30);
        double minutes = own.number("budget_minutes", 0, Double.MIN_VALUE, 1e6);
        SearchBudget budget = Sections.placed(own, () -> new SearchBudget(steps, minutes));
        int count = own.integer("candidates", 0, 1, 10_000);
        int reduction = own.integer("reduction", 3, 2, 100);
        own.refuseUnknown();
        List<Candidate> candidates = space.candidates(Map.of(), settings.integer("seed", 42));
        long least = SuccessiveHalving.leastBudget(Math.max(1, Math.min(count, candidates.size())), reduction);
        if (count > 0 && steps > 0 && steps < least) {
            throw own.invalid("budget_steps", "at least " + least + ", so that " + count + " candidates can be tried");
        }
        SearchPlan plan = new SearchPlan(candidates, budget, reduction, count);
        AutoSettings auto = new AutoSettings(settings, base, plan, plain(settings, base));
        auto.requireKnown();
        if (auto.plain().data().stage().kinds().contains(PromptOnly.class)) {
            throw new UserErrorException(settings.origin() + ": method: auto chooses by held-out loss, and stage "
                    + auto.plain().data().stage().name() + " has none: train its method with sft first");
        }
        auto.plain().parallel().requireAlone();
        return auto;
    }

    private static Map<String, Object> base(Settings settings) {
        Map<String, Object> base = new LinkedHashMap<>();
        settings.asMap().forEach((key, value) -> {
            if (value != null && !key.equals(METHOD) && !key.equals(NAME) && !key.startsWith(NAME + ".")) {
                base.put(key, value);
            }
        });
        boolean heldOut = DatasetSettings.holdOut(base.keySet());
        if (!heldOut && settings.asMap().keySet().stream().noneMatch(key -> key.startsWith("eval_task"))) {
            base.put("eval_fraction", HELD_OUT);
        }
        return base;
    }

    private static TrainingSettings plain(Settings settings, Map<String, Object> base) {
        Map<String, Object> values = new LinkedHashMap<>(base);
        values.put(METHOD, "lora");
        return TrainingSettings.read(new Settings(settings.origin(), values, settings.written()));
    }

    /** What is set must be at least one candidate's. */
    private void requireKnown() {
        Set<String> known = new LinkedHashSet<>(settings.known());
        for (Candidate candidate : plan.candidates()) {
            Settings own = settings(new Trial(candidate, plain.outputDirectory(), 1, false));
            TrainingSettings.read(own);
            known.addAll(own.known());
        }
        ForeignKeys verdict = new ForeignKeys(known, NAME, plain.data().stage().name());
        settings.refuseUnknown(
                (key, value) -> known.contains(key) || key.startsWith(NAME + ".") ? null : verdict.problem(key, value));
    }

    /**
     * Looks for the layers that candidates name: a name that none has would fail them after others have trained.
     *
     * @throws UserErrorException for the first target that fits no layer of the model, with the nearest name
     */
    void requireTargets(CausalLM model) {
        Set<Object> targets = new LinkedHashSet<>();
        plan.candidates().forEach(candidate -> targets.add(candidate.settings().getOrDefault(TARGETS, "")));
        targets.remove("");
        for (Object target : targets) {
            Settings one = new Settings(settings.origin() + ": auto.targets", Map.of(TARGETS, target));
            Sections.placed(one, () -> ModuleSelection.from(one, false).select(model, "LORA", List.of(Linear.class)));
        }
    }

    private Settings settings(Trial trial) {
        Map<String, Object> values = new LinkedHashMap<>(base);
        values.putAll(trial.candidate().settings());
        values.put(OUTPUT, trial.directory().toString());
        values.put("max_steps", trial.steps());
        values.put("resume_from_checkpoint", trial.resumes());
        values.putAll(SAME);
        Map<String, String> written = new LinkedHashMap<>(settings.written());
        written.keySet().removeAll(trial.candidate().settings().keySet());
        return new Settings(
                settings.origin() + ", candidate " + trial.candidate().name(), values, written);
    }

    /** A candidate's training. */
    TrainingSettings training(Trial trial) {
        return TrainingSettings.read(settings(trial));
    }

    /** What must be the same for a search that was begun to go on, however it was written. */
    Map<String, String> identity() {
        Map<String, String> identity = PipelineStage.identity(settings);
        identity.keySet().removeIf(key -> key.equals(NAME) || key.startsWith(NAME + "."));
        Sections.take(settings, NAME).forEach((key, value) -> identity.put(NAME + "." + key, String.valueOf(value)));
        return identity;
    }

    /** Where everything goes. */
    Path outputDirectory() {
        return plain.outputDirectory();
    }

    private static List<String> texts(Settings own, String key, List<String> fallback) {
        return own.has(key) ? own.texts(key) : fallback;
    }

    private static List<? extends Number> numbers(Settings own, String key, List<? extends Number> fallback) {
        if (!own.has(key)) {
            return fallback;
        }
        boolean whole = key.equals("ranks");
        List<Number> numbers = new ArrayList<>();
        for (String text : own.texts(key)) {
            numbers.add(number(own, key, text, whole));
        }
        return numbers;
    }

    private static Number number(Settings own, String key, String text, boolean whole) {
        try {
            return whole ? (Number) Integer.valueOf(text) : (Number) Double.valueOf(text);
        } catch (NumberFormatException e) {
            throw own.invalid(key, whole ? "whole numbers, such as [8, 32]" : "numbers, such as [2e-4, 1e-3]");
        }
    }
}
