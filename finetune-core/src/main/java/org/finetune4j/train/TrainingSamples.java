package org.finetune4j.train;

import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.BatchSampler;
import org.finetune4j.data.Collator;
import org.finetune4j.data.DataLoader;
import org.finetune4j.data.DatasetSplit;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.supervised.ChatTemplateRenderer;
import org.finetune4j.data.supervised.InstructionChatTemplate;
import org.finetune4j.data.supervised.PromptTemplate;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.train.arguments.TrainingArguments;
import org.jspecify.annotations.Nullable;

/** What a {@link FineTuner} was given to learn from, and how it becomes samples. */
final class TrainingSamples {

    /** Enough to see how answers end. */
    private static final int SAMPLES_FOR_END = 16;

    private final CausalLM model;
    private @Nullable SupervisedOptions tokenization;
    private @Nullable ChatTemplate chatTemplate;
    private @Nullable ExampleDataset examples;
    private @Nullable ExampleDataset evaluationExamples;
    private @Nullable TrainingDataset samples;
    private @Nullable TrainingDataset evaluationSamples;
    private double evaluationFraction;

    TrainingSamples(CausalLM model) {
        this.model = model;
    }

    /**
     * Samples to train on, and held-out ones or null.
     *
     * @param train the training samples
     * @param evaluation the held-out samples, or null
     */
    record Parts(TrainingDataset train, @Nullable TrainingDataset evaluation) {

        /** The first epoch's batches, made only when somebody asks for them. */
        Iterable<Batch> batches(TrainingArguments arguments, Collator collator) {
            return () -> {
                DataLoader loader = new DataLoader(
                        train,
                        BatchSampler.training(
                                train, arguments.perDeviceTrainBatchSize(), arguments.seed(), arguments.shuffle()),
                        collator);
                return IntStream.range(0, loader.batchesPerEpoch())
                        .mapToObj(batch -> loader.load(0, batch))
                        .iterator();
            };
        }

        /** The first sample that can be made, of the first hundred; -1 where none can. */
        int firstReadable() {
            for (int i = 0; i < Math.min(100, train.size()); i++) {
                try {
                    train.get(i);
                    return i;
                } catch (UserErrorException e) {
                    // A finding says what is wrong with it.
                }
            }
            return -1;
        }
    }

    void train(ExampleDataset value) {
        examples = Objects.requireNonNull(value, "dataset");
        samples = null;
    }

    void train(TrainingDataset value) {
        samples = Objects.requireNonNull(value, "dataset");
        examples = null;
    }

    void evaluation(ExampleDataset value) {
        evaluationExamples = Objects.requireNonNull(value, "evaluation");
        evaluationSamples = null;
    }

    void evaluation(TrainingDataset value) {
        evaluationSamples = Objects.requireNonNull(value, "evaluation");
        evaluationExamples = null;
    }

    void evaluationFraction(double value) {
        if (!(value > 0 && value < 1)) {
            throw new IllegalArgumentException("evaluationFraction must be above 0 and below 1: " + value);
        }
        evaluationFraction = value;
    }

    void tokenization(SupervisedOptions value) {
        tokenization = Objects.requireNonNull(value, "tokenization");
    }

    void chatTemplate(@Nullable ChatTemplate value) {
        chatTemplate = value;
    }

    boolean isEmpty() {
        return examples == null && samples == null;
    }

    /**
     * Makes the samples, or prepares to make them.
     *
     * @param tasks how many tasks the method tells apart
     */
    Parts parts(long seed, int tasks) {
        if (isEmpty()) {
            throw new UserErrorException("there is nothing to train on: set a dataset");
        }
        if (evaluationFraction > 0 && evaluationExamples == null && evaluationSamples == null) {
            return split(seed, tasks);
        }
        return new Parts(made(samples, examples, tasks), heldOut(tasks));
    }

    /** The same for who trains nothing: without anything to train on, what is held out alone. */
    Parts measured(long seed, int tasks) {
        if (!isEmpty()) {
            return parts(seed, tasks);
        }
        TrainingDataset heldOut = heldOut(tasks);
        if (heldOut == null) {
            throw new UserErrorException("nothing is held out to measure on");
        }
        return new Parts(heldOut, heldOut);
    }

    private Parts split(long seed, int tasks) {
        if (examples != null) {
            DatasetSplit<ExampleDataset> split = examples.split(evaluationFraction, seed);
            return new Parts(tokenize(split.train(), tasks), tokenize(split.evaluation(), tasks));
        }
        DatasetSplit<TrainingDataset> split = Objects.requireNonNull(samples).split(evaluationFraction, seed);
        return new Parts(split.train(), split.evaluation());
    }

    /** The held-out samples that were given, or null. */
    @Nullable
    TrainingDataset heldOut(int tasks) {
        return evaluationSamples == null && evaluationExamples == null
                ? null
                : made(evaluationSamples, evaluationExamples, tasks);
    }

    private TrainingDataset made(@Nullable TrainingDataset ready, @Nullable ExampleDataset raw, int tasks) {
        return ready != null ? ready : tokenize(Objects.requireNonNull(raw), tasks);
    }

    /** Tells what reading the examples gave to tell. */
    void notes(Consumer<String> told) {
        if (examples != null) {
            examples.notes().forEach(told);
        }
    }

    /**
     * The form that the result is to be asked in, where its files must say more than the model's do.
     *
     * @param parts what is trained on, or null where that is not known
     */
    @Nullable
    ChatTemplate form(@Nullable Parts parts) {
        if (chatTemplate != null) {
            return chatTemplate;
        }
        boolean byPrompt = examples != null
                && examples.asksInstructions()
                && !model.config().isSequenceClassifier();
        PromptTemplate template = options().promptTemplate();
        if (byPrompt && template != null) {
            return InstructionChatTemplate.of(template, model.tokenizer()).orElse(null);
        }
        return parts != null && endsOtherwise(parts.train())
                ? model.chatTemplate().orElse(null)
                : null;
    }

    /** Whether answers are trained to end with another token than the model's texts: a base that learns to converse. */
    private boolean endsOtherwise(TrainingDataset train) {
        OptionalInt end = model.answerEndTokenId();
        if (end.isEmpty() || end.equals(model.tokenizer().eosTokenId())) {
            return false;
        }
        for (int i = 0; i < Math.min(SAMPLES_FOR_END, train.size()); i++) {
            try {
                if (Arrays.stream(train.get(i).labels()).anyMatch(label -> label == end.getAsInt())) {
                    return true;
                }
            } catch (UserErrorException e) {
                // The preflight says what is wrong with it.
            }
        }
        return false;
    }

    private SupervisedSamples tokenize(ExampleDataset dataset, int tasks) {
        return SupervisedSamples.of(dataset, model.tokenizer(), options().withTasks(tasks));
    }

    private SupervisedOptions options() {
        SupervisedOptions options = tokenization == null ? defaults() : tokenization;
        return options.renderer() != null
                ? options
                : options.withRenderer(Optional.ofNullable(chatTemplate)
                        .or(model::chatTemplate)
                        .map(ChatTemplateRenderer::new)
                        .orElse(null));
    }

    private SupervisedOptions defaults() {
        int longest =
                Math.min(SupervisedOptions.DEFAULT_MAX_LENGTH, model.network().maxPositions());
        return SupervisedOptions.builder().maxLength(longest).build();
    }
}
