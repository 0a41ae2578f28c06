package org.finetune4j.train.optimizer;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.optimizer.WarmupStableDecaySchedule.Curve;

/** The schedules that have a name, with transformers' defaults. */
final class Schedules {

    /** How to make one, and the settings that it has. */
    private record Entry(Set<String> settings, Function<ScheduleOptions, LearningRateSchedule> make) {}

    private static final Map<String, Entry> ALL = all();

    private Schedules() {}

    private static Map<String, Entry> all() {
        Map<String, Entry> all = new LinkedHashMap<>();
        all.put("constant", new Entry(Set.of(), options -> LearningRateSchedule.CONSTANT));
        all.put("constant_with_warmup", new Entry(Set.of(), options -> new ConstantSchedule(true)));
        all.put("linear", new Entry(Set.of(), options -> LearningRateSchedule.LINEAR));
        all.put(
                "cosine",
                new Entry(
                        Set.of("num_cycles"),
                        options -> new CosineSchedule("cosine", options.number("num_cycles", 0.5), 0)));
        all.put("cosine_with_min_lr", new Entry(Set.of("num_cycles", "min_lr", "min_lr_rate"), Schedules::minimum));
        all.put(
                "cosine_with_restarts",
                new Entry(
                        Set.of("num_cycles"),
                        options -> new CosineWithRestartsSchedule(options.number("num_cycles", 1))));
        all.put(
                "polynomial",
                new Entry(
                        Set.of("lr_end", "power"),
                        options -> new PolynomialSchedule(
                                "polynomial", options.share("lr_end", 1e-7), options.number("power", 1))));
        all.put(
                "inverse_sqrt",
                new Entry(
                        Set.of("timescale"),
                        options -> new InverseSqrtSchedule((long) options.number("timescale", 0))));
        all.put(
                "warmup_stable_decay",
                new Entry(
                        Set.of("num_decay_steps", "min_lr_ratio", "warmup_type", "decay_type"),
                        Schedules::warmupStableDecay));
        all.put("rex", new Entry(Set.of(), options -> new RexSchedule()));
        return all;
    }

    static LearningRateSchedule named(String name, ScheduleOptions options) {
        Entry entry = ALL.get(name);
        if (entry == null) {
            throw new UserErrorException(
                    "unknown learning rate schedule '" + name + "'" + Suggestions.among(name, ALL.keySet()));
        }
        options.allow(name, entry.settings);
        return entry.make.apply(options);
    }

    private static LearningRateSchedule minimum(ScheduleOptions options) {
        boolean absolute = options.values().containsKey("min_lr");
        boolean relative = options.values().containsKey("min_lr_rate");
        if (absolute == relative) {
            throw new UserErrorException("lr_scheduler_kwargs: cosine_with_min_lr needs either min_lr or min_lr_rate");
        }
        double minimum = absolute ? options.share("min_lr", 0) : options.number("min_lr_rate", 0);
        return new CosineSchedule("cosine_with_min_lr", options.number("num_cycles", 0.5), minimum);
    }

    private static LearningRateSchedule warmupStableDecay(ScheduleOptions options) {
        return new WarmupStableDecaySchedule(
                (long) options.number("num_decay_steps", 0),
                options.number("min_lr_ratio", 0),
                Curve.named("warmup_type", options.text("warmup_type", "linear")),
                Curve.named("decay_type", options.text("decay_type", "cosine")));
    }
}
