package org.finetune4j.rlhf.distill;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.supervised.TrainOn;
import org.finetune4j.rlhf.rollout.SamplingOptions;
import org.finetune4j.train.gradient.DistillationOptions;
import org.jspecify.annotations.Nullable;

/** Reads the settings of {@code stage: distill}, under TRL's names where it has them. */
final class DistillationSettings {

    private static final int MOST_TOKENS = 1 << 20;
    private static final double LARGEST = 1e3;

    private final Settings settings;
    private final DistillationOptions options;
    private final TrainOn trainOn;
    private final @Nullable String teacher;
    private final @Nullable String adapter;
    private final TopLogits.@Nullable Settings stored;
    private final OptionalDouble byStudent;
    private final boolean byTeacher;
    private final SamplingOptions sampling;

    DistillationSettings(Settings settings) {
        this.settings = settings;
        this.options = new DistillationOptions(
                beta(settings),
                settings.number("distillation_temperature", 1, 1e-3, LARGEST),
                settings.number("distillation_alpha", 1, 0, 1));
        this.trainOn = settings.choice("train_on", TrainOn.values(), TrainOn.COMPLETIONS);
        this.teacher = settings.text("teacher_model_name_or_path").orElse(null);
        this.adapter = settings.text("teacher_adapter_name_or_path").orElse(null);
        this.stored = stored(settings, options.temperature());
        double share = settings.number("lmbda", 0.5, 0, 1);
        this.byStudent = settings.has("lmbda") ? OptionalDouble.of(share) : OptionalDouble.empty();
        this.byTeacher = settings.flag("seq_kd", false);
        this.sampling = new SamplingOptions(
                1,
                settings.integer("max_new_tokens", 128, 1, MOST_TOKENS),
                settings.number("temperature", 0.9, 1e-3, LARGEST),
                settings.number("top_p", 1, 1e-9, 1),
                settings.integer("top_k", 0, 0),
                settings.number("min_p", 0, 0, 1),
                List.of());
        requireAnswersFit();
    }

    /** TRL's {@code beta}, or its two ends and what is between them by name. */
    private static double beta(Settings settings) {
        double beta = settings.number("beta", DistillationOptions.DEFAULT.beta(), 0, 1);
        String name = settings.text("distillation_loss").orElse("");
        double between = settings.number("jsd_beta", DistillationOptions.DEFAULT.beta(), 0, 1);
        if (settings.has("beta") && (!name.isEmpty() || settings.has("jsd_beta"))) {
            throw new UserErrorException(settings.origin() + ": 'beta' and '"
                    + (name.isEmpty() ? "jsd_beta" : "distillation_loss") + "' say the same: set one of them");
        }
        if (settings.has("jsd_beta") && !name.isEmpty() && !name.equals("jsd")) {
            throw new UserErrorException(
                    settings.origin() + ": 'jsd_beta' changes nothing with distillation_loss " + name);
        }
        return switch (name) {
            case "" -> settings.has("jsd_beta") ? between : beta;
            case "forward_kl" -> 0;
            case "reverse_kl" -> 1;
            case "jsd" -> between;
            default -> throw settings.invalid("distillation_loss", "forward_kl, reverse_kl or jsd");
        };
    }

    private static TopLogits.@Nullable Settings stored(Settings settings, double temperature) {
        int k = settings.integer("loss_top_k", 0, 0, Settings.LARGEST_SIZE);
        boolean named = settings.has("teacher_logits");
        Path directory = named ? settings.path("teacher_logits") : null;
        Path output = settings.has("output_dir") ? settings.path("output_dir") : null;
        if (directory == null && k > 0) {
            directory = output;
        }
        return directory == null ? null : new TopLogits.Settings(directory, k, temperature);
    }

    private void requireAnswersFit() {
        boolean asked = byTeacher || byStudent.orElse(0) > 0;
        if (asked && stored != null) {
            throw new UserErrorException(settings.origin() + ": '" + (byTeacher ? "seq_kd" : "lmbda")
                    + "' lets a model write answers, and "
                    + (settings.has("teacher_logits") ? "'teacher_logits'" : "'loss_top_k'")
                    + " is what a teacher said about those of the records: leave one of them out");
        }
        if (asked && trainOn == TrainOn.ALL) {
            throw new UserErrorException(settings.origin() + ": '" + (byTeacher ? "seq_kd" : "lmbda")
                    + "' needs prompts to answer, and train_on is all: set train_on: completions, or lmbda: 0");
        }
    }

    String origin() {
        return settings.origin();
    }

    DistillationOptions options() {
        return options;
    }

    TrainOn trainOn() {
        return trainOn;
    }

    TopLogits.@Nullable Settings stored() {
        return stored;
    }

    /** The teacher that the user names, or an empty text. */
    String named() {
        return (teacher == null ? "" : teacher) + (adapter == null ? "" : " with " + adapter);
    }

    TeacherModel teacher() {
        return TeacherModel.of(teacher, adapter);
    }

    /**
     * Who writes answers.
     *
     * @param prompts whether records have prompts, and are not plain text
     */
    AnswerSettings answers(boolean prompts) {
        boolean possible = prompts && stored == null && trainOn != TrainOn.ALL;
        if (!prompts && (byTeacher || byStudent.orElse(0) > 0)) {
            throw new UserErrorException(settings.origin() + ": '" + (byTeacher ? "seq_kd" : "lmbda")
                    + "' needs prompts to answer, and plain text has none: set lmbda: 0");
        }
        return new AnswerSettings(byStudent.orElse(possible ? 0.5 : 0), byTeacher, sampling);
    }

    /** Whether records may lack answers. */
    boolean writesAll() {
        return byTeacher || byStudent.orElse(0) == 1;
    }

    /** The settings for reports. */
    Map<String, Object> shown() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("stage", DistillationStage.NAME);
        shown.put("teacher_model_name_or_path", named().isEmpty() ? "the student as it was" : named());
        shown.put("beta", options.beta());
        if (options.temperature() != 1) {
            shown.put("distillation_temperature", options.temperature());
        }
        if (options.alpha() != 1) {
            shown.put("distillation_alpha", options.alpha());
        }
        byStudent.ifPresent(share -> shown.put("lmbda", share));
        if (byTeacher) {
            shown.put("seq_kd", true);
        }
        if (stored != null) {
            shown.put("teacher_logits", stored.directory().toString());
        }
        return shown;
    }
}
