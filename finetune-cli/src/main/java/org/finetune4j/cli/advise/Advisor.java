package org.finetune4j.cli.advise;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.plan.Layout;

/**
 * Recommends a method for a situation: by the tasks, the data and the devices, as surveys of the field do (much data and eight or more
 * large GPUs: all weights; four or fewer: QLoRA; several tasks: an adapter each; little data: an adapter; accuracy first: all weights), as
 * far as the planner says that it fits. Memory and time are the planner's.
 */
public final class Advisor {

    /** Records from which on all weights may move. */
    static final long MUCH_DATA = 50_000;

    private static final long SOME_DATA = 10_000;
    private static final long LITTLE_DATA = 1_000;
    private static final int MANY_DEVICES = 8;
    private static final long LARGE_DEVICE = 35_000_000_000L;
    private static final double LARGE_MODEL = 1e9;

    /** A model that takes less than this part of a device gains nothing by packed weights. */
    private static final int SMALL = 8;

    private final Situation situation;
    private final List<String> reasons = new ArrayList<>();
    private final int samples;
    private final int rank;
    private final Choices choices;

    /** Why one kind of adapter is before the other one; of interest where an adapter is advised. */
    private String amongAdapters = "";

    private Advisor(Situation situation) {
        this.situation = situation;
        this.samples = situation.records() < SOME_DATA ? 16 : situation.hasMuchData() ? 128 : 32;
        this.rank = situation.records() < LITTLE_DATA ? 8 : situation.hasMuchData() ? 64 : 16;
        this.choices = new Choices(situation, samples);
    }

    /**
     * Recommends.
     *
     * @param situation what somebody has and wants
     * @return the method with its settings, why, and what it takes
     * @throws UserErrorException when nothing fits on the devices; the message says what the smallest training needs
     */
    public static Advice advise(Situation situation) {
        return new Advisor(situation).advice();
    }

    private Advice advice() {
        List<Choice.Kind> order = order();
        Choice.Kind first = order.get(0);
        for (Choice.Kind kind : order) {
            Optional<Choice> choice = choices.fitting(kind, rank);
            if (choice.isPresent()) {
                if (kind != first) {
                    reasons.add(
                            0,
                            String.format(
                                    Locale.ROOT,
                                    "%s would be preferred and does not fit: the least it needs is %s of a device's %s",
                                    name(first),
                                    gigabytes(choices.smallest(first, rank, false)),
                                    gigabytes(situation.devices().memory())));
                }
                return advice(choice.get());
            }
        }
        throw new UserErrorException(String.format(
                Locale.ROOT,
                "no training of this model fits: even QLoRA needs %s, and a device has %s: take a smaller model, shorter records or a"
                        + " larger device",
                gigabytes(choices.smallest(Choice.Kind.QLORA, rank, true)),
                gigabytes(situation.devices().memory())));
    }

    /** What is preferred first, then what takes less memory. */
    private List<Choice.Kind> order() {
        int devices = situation.devices().devices();
        boolean large = situation.devices().memory() >= LARGE_DEVICE;
        if (situation.tasks() > 1) {
            reasons.add(situation.tasks()
                    + " tasks on one base: an adapter each, which a service changes without loading the base again");
            reasons.add(
                    "where requests do not say their task, method: xlora mixes the adapters afterwards, token by token, for two"
                            + " passes of the base and no merging");
            return adapters(devices);
        }
        if (situation.highAccuracy() && situation.records() >= LITTLE_DATA) {
            reasons.add(
                    "accuracy counts most: supervised training of all weights has the lowest loss in our tables too");
            return fullBefore(adapters(devices));
        }
        if (!situation.hasMuchData()) {
            reasons.add(String.format(
                    Locale.ROOT,
                    "%,d %s little data: an adapter, for all weights would learn them by heart",
                    situation.records(),
                    situation.records() == 1 ? "record is" : "records are"));
            return adapters(devices);
        }
        if (devices >= MANY_DEVICES && large) {
            reasons.add(String.format(
                    Locale.ROOT,
                    "%,d records and %d large devices: all weights can learn",
                    situation.records(),
                    devices));
            return fullBefore(adapters(devices));
        }
        if (devices <= MANY_DEVICES / 2) {
            reasons.add(devices + (devices == 1 ? " device is" : " devices are")
                    + " few for so much data: weights of 4 bits leave room for longer rows and larger batches");
            return adapters(devices);
        }
        reasons.add(devices
                + " devices: an adapter on weights as they are, all weights where eight large ones are at hand");
        return List.of(Choice.Kind.LORA, Choice.Kind.QLORA);
    }

    private static List<Choice.Kind> fullBefore(List<Choice.Kind> others) {
        List<Choice.Kind> all = new ArrayList<>(List.of(Choice.Kind.FULL));
        all.addAll(others);
        return all;
    }

    /** Up to four devices the base is packed, unless it is small: then packing saves nothing that is needed and costs time. */
    private List<Choice.Kind> adapters(int devices) {
        long plain = choices.smallest(Choice.Kind.LORA, rank, true);
        boolean small = SMALL * plain <= situation.devices().memory();
        if (devices <= MANY_DEVICES / 2 && !small) {
            amongAdapters = String.format(
                    Locale.ROOT,
                    "QLoRA, for four devices or fewer: LoRA on the weights as they are needs %s of %s",
                    gigabytes(plain),
                    gigabytes(situation.devices().memory()));
            return List.of(Choice.Kind.QLORA, Choice.Kind.LORA);
        }
        if (devices <= MANY_DEVICES / 2) {
            amongAdapters = String.format(
                    Locale.ROOT,
                    "LoRA in place of QLoRA, which surveys name for few devices: the model needs %s of %s, and packed weights are"
                            + " slower to calculate with",
                    gigabytes(plain),
                    gigabytes(situation.devices().memory()));
        }
        return List.of(Choice.Kind.LORA, Choice.Kind.QLORA);
    }

    private Advice advice(Choice choice) {
        boolean full = choice.method() == Choice.Kind.FULL;
        Layout layout = choice.layout();
        if (!full && !amongAdapters.isEmpty()) {
            reasons.add(amongAdapters);
        }
        if (layout.samples() > samples) {
            reasons.add(String.format(
                    Locale.ROOT,
                    "every copy of the model reads a sample, so that an update has %d, where %d would do for so many records: fewer"
                            + " devices make more updates",
                    layout.samples(),
                    samples));
        }
        if (situation.lowLatency()) {
            reasons.add(
                    full
                            ? "answers come as fast as the base's: nothing is added to it"
                            : "./finetune merge folds LoRA into the weights, so that answers come as fast as the base's; bottleneck adapters,"
                                    + " which surveys name for this, cannot be merged and cost time with every token");
        }
        int epochs = situation.records() < SOME_DATA ? 3 : situation.hasMuchData() ? 1 : 2;
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("stage", "sft");
        settings.put("method", full ? "full" : "lora");
        if (!full) {
            settings.put("r", rank);
            settings.put("lora_alpha", 2 * rank);
            settings.put("target_modules", "all-linear");
        }
        if (choice.method() == Choice.Kind.QLORA) {
            settings.put("load_in_4bit", true);
            settings.put("bnb_4bit_quant_type", "nf4");
            settings.put("bnb_4bit_use_double_quant", true);
        }
        settings.put("learning_rate", learningRate(full, choice.memory().total()));
        settings.put("lr_scheduler_type", "cosine");
        settings.put("warmup_ratio", 0.03);
        settings.put("num_train_epochs", epochs);
        settings.put("per_device_train_batch_size", layout.microBatch() * layout.dataParallel());
        settings.put("gradient_accumulation_steps", layout.accumulation());
        settings.put("max_length", choices.tokens());
        settings.put("gradient_checkpointing", layout.checkpointing());
        settings.put("bf16", true);
        if (layout.zeroStage() > 0) {
            settings.put("zero_stage", layout.zeroStage()); // the memory is what a device has of shared states
        }
        if (choices.tokens() < situation.tokensPerRecord()) {
            reasons.add(String.format(
                    Locale.ROOT,
                    "the model sees %d tokens: longer records, of up to %d, are cut",
                    choices.tokens(),
                    situation.tokensPerRecord()));
        }
        double updates = epochs * (double) situation.records() / layout.samples();
        if (updates < 20) {
            reasons.add("fewer than 20 updates in all: look at the held-out loss before trusting the result");
        }
        return new Advice(
                name(choice.method()).toLowerCase(Locale.ROOT),
                settings,
                reasons,
                choice.memory().peak(),
                Duration.ofSeconds((long) Math.ceil(choice.secondsPerSample() * situation.records() * epochs)),
                layout.devices() == 1 ? "" : layout.mesh());
    }

    /** What papers and our tables use: less for all weights than for adapters, and less for large models. */
    private static double learningRate(boolean full, long parameters) {
        if (full) {
            return parameters >= LARGE_MODEL ? 1e-5 : 5e-5;
        }
        return parameters >= 30 * LARGE_MODEL ? 1e-4 : 2e-4;
    }

    private static String name(Choice.Kind kind) {
        return switch (kind) {
            case FULL -> "full";
            case LORA -> "LoRA";
            case QLORA -> "QLoRA";
        };
    }

    static String gigabytes(long bytes) {
        return String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1L << 30));
    }
}
