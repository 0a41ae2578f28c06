package org.finetune4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DataSharing;
import org.finetune4j.data.DatasetSplit;
import org.finetune4j.data.FilePatterns;
import org.finetune4j.data.LengthGrouped;
import org.finetune4j.data.TextDataset;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.TruncationPolicy;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.supervised.AlpacaTemplate;
import org.finetune4j.data.supervised.ChatTemplateRenderer;
import org.finetune4j.data.supervised.InstructionChatTemplate;
import org.finetune4j.data.supervised.PromptTemplate;
import org.finetune4j.data.supervised.StringTemplate;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.train.stage.Stage;
import org.finetune4j.train.stage.StageProvider;
import org.finetune4j.train.stage.SupervisedFineTuning;
import org.jspecify.annotations.Nullable;

/**
 * The data that a configuration names.
 *
 * @param training the datasets to train on
 * @param evaluation those to hold out; may be empty
 * @param evaluationFraction part of the training data to hold out where nothing else is
 * @param mixture how datasets become one
 * @param text how plain text is read, or null where the data is not plain text
 * @param maxLength tokens of a sample, 0 for as many as the model sees, but 1024 at most, or {@link #WHOLE} for no such limit
 * @param promptTemplate the prompt of instructions: {@value #ALPACA}, {@value #CHAT} for the chat template, {@value #TRAINED}
 *     for what the model was trained with, or a text with placeholders
 * @param chatTemplate name, file or directory of the chat template, or null for the model's own
 * @param stage what kind of training it is for, which makes samples of records
 * @param tasks how many tasks the method tells apart
 */
record DataSettings(
        List<DatasetSpec> training,
        List<DatasetSpec> evaluation,
        double evaluationFraction,
        MixtureSettings mixture,
        @Nullable TextSettings text,
        int maxLength,
        TruncationPolicy truncation,
        String promptTemplate,
        @Nullable String chatTemplate,
        Stage stage,
        boolean groupByLength,
        long seed,
        int tasks) {

    /** Samples as long as the model sees. */
    static final int WHOLE = -1;

    /** Stanford's prompt of instructions. */
    static final String ALPACA = "alpaca";

    /** Instructions go into the chat template. */
    static final String CHAT = "chat";

    /** Instructions are put as in the training of the model or adapter, and as Alpaca does where that is not known. */
    static final String TRAINED = "trained";

    static DataSettings of(Settings settings) {
        DatasetSettings datasets = new DatasetSettings(settings);
        List<DatasetSpec> training = datasets.training();
        Stage stage = stage(settings);
        TextSettings text = stage.continuesText() ? TextSettings.of(settings, training) : null;
        boolean grouped = settings.flag("group_by_length", false);
        if (grouped && text == null && stage instanceof SupervisedFineTuning supervised && supervised.packing()) {
            throw new UserErrorException(settings.origin()
                    + ": 'packing' and 'group_by_length' exclude each other: packed rows all have one length");
        }
        return new DataSettings(
                training,
                datasets.evaluation(),
                settings.number("eval_fraction", 0, 0, 0.99),
                MixtureSettings.of(settings),
                text,
                maxLength(settings),
                settings.choice("truncation", TruncationPolicy.values(), TruncationPolicy.RIGHT),
                settings.text("prompt_template").orElse(ALPACA),
                settings.text("chat_template").orElse(null),
                stage,
                grouped,
                settings.integer("seed", 42),
                1);
    }

    /**
     * The same for a method that tells tasks apart.
     *
     * @param number at least 1
     * @throws UserErrorException when the data is none that says its tasks
     */
    DataSettings withTasks(int number) {
        if (number > 1 && (text != null || !(stage instanceof SupervisedFineTuning))) {
            throw new UserErrorException(
                    "num_tasks is " + number + ": only stage sft on records can tell tasks apart, not "
                            + (text == null ? "stage " + stage.name() : "plain text"));
        }
        return new DataSettings(
                training,
                evaluation,
                evaluationFraction,
                mixture,
                text,
                maxLength,
                truncation,
                promptTemplate,
                chatTemplate,
                stage,
                groupByLength,
                seed,
                number);
    }

    private static Stage stage(Settings settings) {
        String name = settings.text("stage").orElse(SupervisedFineTuning.NAME);
        return Choices.naming(settings, "stage", () -> StageProvider.named(name))
                .create(settings);
    }

    /** As in TRL, {@code max_length: null} cuts nothing off but what the model cannot see. */
    private static int maxLength(Settings settings) {
        boolean unlimited = !settings.has("max_length") && settings.asMap().containsKey("max_length");
        return unlimited ? WHOLE : settings.integer("max_length", 0, 2);
    }

    /** Refuses a text that is no template. */
    DataSettings {
        training = List.copyOf(training);
        evaluation = List.copyOf(evaluation);
        if (!List.of(ALPACA, CHAT, TRAINED).contains(promptTemplate)) {
            StringTemplate.of(promptTemplate);
        }
    }

    /** The prompt of instructions, or null where they go into the chat template. */
    @Nullable
    PromptTemplate promptTemplate(CausalLM model) {
        return switch (promptTemplate) {
            case CHAT -> null;
            case ALPACA -> new AlpacaTemplate();
            case TRAINED ->
                model.chatTemplate()
                        .flatMap(InstructionChatTemplate::promptTemplate)
                        .orElseGet(AlpacaTemplate::new);
            default -> StringTemplate.of(promptTemplate);
        };
    }

    /** The form that a model trained on these examples is to be asked in, where it is not the model's own. */
    private @Nullable ChatTemplate form(ExampleDataset examples, CausalLM model) {
        PromptTemplate template = promptTemplate(model);
        if (template != null && examples.asksInstructions() && !model.config().isSequenceClassifier()) {
            return InstructionChatTemplate.of(template, model.tokenizer()).orElse(null);
        }
        return chatTemplate == null ? null : chatTemplate(model).orElse(null);
    }

    /**
     * Looks for every file, before anything that takes longer.
     *
     * @throws UserErrorException for the first that is not there
     */
    void requireFiles() {
        Stream.concat(training.stream(), evaluation.stream())
                .filter(spec -> spec.sql() == null)
                .forEach(spec -> FilePatterns.resolve(spec.paths()));
    }

    /**
     * Opens, cleans, mixes and splits the records, which needs no model.
     *
     * @throws UserErrorException when a file, a record or a setting is wrong
     */
    TrainingRecords records() {
        if (text != null) {
            return new TrainingRecords(null, null, List.of());
        }
        List<String> notes = new ArrayList<>();
        ExampleDataset train = mixture.mix(training, stage::check, notes);
        ExampleDataset heldOut = null;
        if (!evaluation.isEmpty()) {
            heldOut = MixtureSettings.all(evaluation, stage::check, notes);
            stage.require(heldOut);
        }
        stage.require(train);
        if (heldOut != null) {
            return new TrainingRecords(train, heldOut, notes);
        }
        if (mixture.holdsOutTasks()) {
            DatasetSplit<ExampleDataset> split = mixture.split(train);
            return new TrainingRecords(split.train(), split.evaluation(), notes);
        }
        if (evaluationFraction > 0) {
            DatasetSplit<ExampleDataset> split = train.split(evaluationFraction, seed);
            return new TrainingRecords(split.train(), split.evaluation(), notes);
        }
        return new TrainingRecords(train, null, notes);
    }

    /**
     * Opens the records and tokenises them.
     *
     * @throws UserErrorException when a file, a record or a setting is wrong
     */
    TrainingData load(CausalLM model) {
        return load(model, records());
    }

    /**
     * Tokenises records.
     *
     * @throws UserErrorException when a record or a setting does not fit the model
     */
    TrainingData load(CausalLM model, TrainingRecords records) {
        return load(model, records, DataSharing.NONE);
    }

    /**
     * Tokenises records that other processes tokenise too.
     *
     * @param sharing so that each record is tokenised by one of them
     * @throws UserErrorException when a record or a setting does not fit the model
     */
    TrainingData load(CausalLM model, TrainingRecords records, DataSharing sharing) {
        List<String> notes = new ArrayList<>(records.notes());
        ExampleDataset train = records.train();
        return text != null || train == null
                ? plainText(Objects.requireNonNull(text), model, notes, sharing)
                : examples(train, records.evaluation(), model, notes, sharing);
    }

    private TrainingData plainText(TextSettings options, CausalLM model, List<String> notes, DataSharing sharing) {
        TextDataset text = options.load(training, maxLength(model), model.tokenizer(), sharing);
        notes.add(String.format(Locale.ROOT, "%s: plain text, %,d tokens", name(training), text.tokens()));
        TrainingDataset train = text;
        TrainingDataset heldOut =
                evaluation.isEmpty() ? null : options.load(evaluation, maxLength(model), model.tokenizer(), sharing);
        if (heldOut == null && evaluationFraction > 0) {
            DatasetSplit<TrainingDataset> split = train.split(evaluationFraction, seed);
            train = split.train();
            heldOut = split.evaluation();
        }
        return new TrainingData(
                new TrainingData.Part(name(training), train, train, null),
                heldOut == null ? null : new TrainingData.Part(evaluationName(), heldOut, heldOut, null),
                null,
                notes);
    }

    private TrainingData examples(
            ExampleDataset train,
            @Nullable ExampleDataset heldOut,
            CausalLM model,
            List<String> notes,
            DataSharing sharing) {
        SupervisedOptions options = options(model, sharing);
        TrainingDataset samples = stage.samples(train, model, options);
        TrainingDataset batches = stage.batches(samples, options.maxLength(), notes);
        TrainingData.Part evaluated = null;
        if (heldOut != null) {
            TrainingDataset own = stage.samples(heldOut, model, options);
            evaluated = new TrainingData.Part(evaluationName(), own, own, heldOut);
        }
        return new TrainingData(
                new TrainingData.Part(
                        name(training), samples, groupByLength ? LengthGrouped.of(batches) : batches, train),
                evaluated,
                form(train, model),
                notes);
    }

    /** Examples as samples, not packed. */
    TrainingDataset samples(ExampleDataset examples, CausalLM model) {
        return stage.samples(examples, model, options(model, DataSharing.NONE));
    }

    private SupervisedOptions options(CausalLM model, DataSharing sharing) {
        return SupervisedOptions.builder()
                .tasks(Math.max(tasks, model.tasks()))
                .sharing(sharing)
                .maxLength(maxLength(model))
                .truncation(truncation)
                .promptTemplate(promptTemplate(model))
                .renderer(chatTemplate(model).map(ChatTemplateRenderer::new).orElse(null))
                .build();
    }

    private Optional<ChatTemplate> chatTemplate(CausalLM model) {
        return chatTemplate == null
                ? model.chatTemplate()
                : Optional.of(ChatTemplate.named(chatTemplate, model.directory()));
    }

    private static String name(List<DatasetSpec> specs) {
        return specs.size() == 1 ? specs.get(0).name() : specs.size() + " datasets";
    }

    private String evaluationName() {
        return evaluation.isEmpty() ? "held out" : name(evaluation);
    }

    /** The most tokens that a sample has. */
    int maxLength(CausalLM model) {
        int longest = model.network().maxPositions();
        if (maxLength == WHOLE) {
            return longest;
        }
        if (maxLength > longest) {
            throw new UserErrorException("max_length is " + maxLength + ", but the model sees no more than " + longest
                    + " tokens (max_position_embeddings)");
        }
        return maxLength > 0 ? maxLength : Math.min(SupervisedOptions.DEFAULT_MAX_LENGTH, longest);
    }
}
