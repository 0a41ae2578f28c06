package org.finetune4j.rlhf.distill;

import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.TrainOn;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.http.JsonService;
import org.finetune4j.rlhf.rollout.SamplingOptions;
import org.finetune4j.train.gradient.DistillationOptions;
import org.jspecify.annotations.Nullable;

/** Reads the settings of {@code stage: distill}, under TRL's names where it has them. */
final class DistillationSettings {

    private static final int MOST_TOKENS = 1 << 20;
    private static final double LARGEST = 1e3;

    /** More {@code top_logprobs} OpenAI's service does not give. */
    private static final int MOST_SERVED = 20;

    private final Settings settings;
    private final DistillationOptions options;
    private final TrainOn trainOn;
    private final @Nullable String teacher;
    private final @Nullable String adapter;
    private final TopLogits.@Nullable Settings stored;
    private final @Nullable TeacherServer server;
    private final int serverWords;
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
        this.serverWords = settings.integer("loss_top_k", 0, 0, Settings.LARGEST_SIZE);
        this.server = server();
        requireAnswersFit();
    }

    /** A teacher behind a service, or null. */
    private @Nullable TeacherServer server() {
        String key = "teacher_model_server_url";
        String url = settings.text(key).orElse(null);
        double timeout = settings.number("teacher_server_timeout", 60, 1e-3, 86_400);
        int tries = settings.integer("teacher_server_tries", 4, 1, 100);
        String variable = settings.text("teacher_api_key_env").orElse("");
        if (url == null) {
            return null;
        }
        if (options.temperature() != 1) {
            throw new UserErrorException(settings.origin() + ": '" + key
                    + "' gives probabilities at temperature 1: leave distillation_temperature out");
        }
        if (adapter != null) {
            throw new UserErrorException(settings.origin() + ": '" + key
                    + "' and 'teacher_adapter_name_or_path' are two teachers: set one of them");
        }
        Map<String, String> headers = new LinkedHashMap<>();
        if (!variable.isEmpty()) {
            String secret = System.getenv(variable);
            if (secret == null || secret.isBlank()) {
                throw new UserErrorException(settings.origin() + ": 'teacher_api_key_env': the environment has no "
                        + variable + ", or it is empty");
            }
            headers.put("Authorization", "Bearer " + secret.strip());
        }
        try {
            return new TeacherServer(
                    new JsonService(
                            "teacher",
                            new JsonService.Options(
                                    TeacherServer.endpoint(url),
                                    Duration.ofMillis(Math.round(1000 * timeout)),
                                    tries,
                                    Duration.ofSeconds(1),
                                    headers)),
                    new TeacherServer.Asking(
                            teacher == null ? "" : teacher,
                            sampling.maxCompletionLength(),
                            sampling.temperature(),
                            sampling.topP(),
                            Math.min(serverWords(), MOST_SERVED),
                            settings.integer("seed", 42)));
        } catch (UserErrorException e) {
            throw new UserErrorException(settings.origin() + ": '" + key + "': " + e.getMessage(), e);
        }
    }

    /** Words a token of a served teacher. */
    private int serverWords() {
        return settings.has("loss_top_k") ? serverWords : MOST_SERVED;
    }

    /** Whether a service answers the prompts. */
    boolean isServed() {
        return server != null;
    }

    /** The samples of what it answers. */
    TrainingDataset served(ExampleDataset examples, CausalLM model, SupervisedOptions forms) {
        return ServedSamples.of(
                examples,
                model.tokenizer(),
                forms.learning(trainOn, false),
                Objects.requireNonNull(server),
                answersFile(),
                Math.max(1, Math.min(serverWords(), MOST_SERVED)));
    }

    private @Nullable Path answersFile() {
        String key = settings.has("teacher_logits") ? "teacher_logits" : "output_dir";
        return settings.has(key) ? settings.path(key).resolve("teacher-answers.jsonl") : null;
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
        if (server != null && byStudent.orElse(0) > 0) {
            throw new UserErrorException(settings.origin() + ": 'lmbda' lets the student answer, and a teacher behind"
                    + " teacher_model_server_url only answers itself: set lmbda: 0");
        }
        boolean asked = server == null && (byTeacher || byStudent.orElse(0) > 0);
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
        return server == null ? stored : null;
    }

    /** The teacher that the user names, or an empty text. */
    String named() {
        return (teacher == null ? "" : teacher) + (adapter == null ? "" : " with " + adapter);
    }

    TeacherModel teacher() {
        return TeacherModel.of(teacher, adapter);
    }

    /**
     * Decides who writes the answers that are learned from: the student, the teacher, or nobody.
     *
     * @param prompts whether records have prompts, and are not plain text
     */
    AnswerSettings answers(boolean prompts) {
        if (server != null) {
            if (!prompts) {
                throw new UserErrorException(settings.origin()
                        + ": 'teacher_model_server_url' needs prompts to answer, and plain text has none");
            }
            return new AnswerSettings(0, false, sampling);
        }
        boolean possible = prompts && stored == null && trainOn != TrainOn.ALL;
        if (!prompts && (byTeacher || byStudent.orElse(0) > 0)) {
            throw new UserErrorException(settings.origin() + ": '" + (byTeacher ? "seq_kd" : "lmbda")
                    + "' needs prompts to answer, and plain text has none: set lmbda: 0");
        }
        return new AnswerSettings(byStudent.orElse(possible ? 0.5 : 0), byTeacher, sampling);
    }

    /** Whether records may lack answers. */
    boolean writesAll() {
        return server != null || byTeacher || byStudent.orElse(0) == 1;
    }

    /** The settings for reports. */
    Map<String, Object> shown() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("stage", DistillationStage.NAME);
        shown.put("teacher_model_name_or_path", named().isEmpty() ? "the student as it was" : named());
        settings.text("teacher_model_server_url").ifPresent(url -> shown.put("teacher_model_server_url", url));
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
