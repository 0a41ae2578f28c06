package org.finetune4j.rlhf.reward;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.classify.SequenceScores;
import org.finetune4j.data.Sample;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PlainText;
import org.finetune4j.data.supervised.ChatTemplateRenderer;
import org.finetune4j.data.supervised.ExampleTokenizer;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.TrainOn;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.Pooling;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.model.hub.HubClient;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.jspecify.annotations.Nullable;

/**
 * Says how good answers are, in one number each: a classifier of sequences with one label, read from a directory or in
 * memory.
 *
 * <pre>{@code
 * try (RewardModel judge = RewardModel.load(Path.of("out/reward"))) {
 *     double[] rewards = judge.score(List.of(new PromptCompletion("2 + 2 =", " 4"), new PromptCompletion("2 + 2 =", " 5")));
 * }
 * }</pre>
 *
 * Several threads may ask one model.
 */
public final class RewardModel implements AutoCloseable {

    private static final String BASE = "base_model_name_or_path";
    private static final Pattern HEAD = Pattern.compile("(^|\\.)(score|classifier)\\.");

    private final CausalLM model;
    private final boolean owned;
    private final @Nullable Adapter adapter;
    private final SupervisedOptions options;

    private RewardModel(CausalLM model, boolean owned, @Nullable Adapter adapter, SupervisedOptions options) {
        pooling(model);
        this.model = model;
        this.owned = owned;
        this.adapter = adapter;
        this.options = options;
    }

    /**
     * A reward model in memory, which stays the caller's. Texts are read as its chat template says, prompts and their answers
     * one after the other.
     *
     * @param model with one output
     * @return the reward model
     * @throws UserErrorException when the model gives no reward
     */
    public static RewardModel of(CausalLM model) {
        return new RewardModel(Objects.requireNonNull(model, "model"), false, null, defaults(model));
    }

    /**
     * Reads a reward model: a model directory, or that of an adapter, whose base is read as well.
     *
     * @param directory the model's, or the adapter's
     * @return the reward model, which the caller closes
     * @throws UserErrorException when something is missing or broken, or it is no reward model
     */
    public static RewardModel load(Path directory) {
        return load(directory, LoadOptions.defaults());
    }

    /**
     * Reads a reward model in a certain way.
     *
     * @param directory the model's, or the adapter's
     * @param options device and types
     * @return the reward model, which the caller closes
     * @throws UserErrorException when something is missing or broken, or it is no reward model
     */
    public static RewardModel load(Path directory, LoadOptions options) {
        Path base = weights(directory);
        boolean adapted = !base.equals(directory);
        CausalLM model = CausalLM.load(base, adapted ? options.asClassifier(1) : options);
        Adapter adapter = null;
        try {
            adapter = adapted ? AdapterFormat.load(model, directory, false) : null;
            boolean isOfBase = ModelConfig.load(base).isSequenceClassifier();
            if (adapter != null
                    && !isOfBase
                    && adapter.parametersByKey().keySet().stream().noneMatch(RewardModel::isHead)) {
                throw new UserErrorException(
                        directory + ": the adapter has no head ('score'), so that it gives no reward:"
                                + " it was trained for something else");
            }
            return new RewardModel(model, true, adapter, defaults(model));
        } catch (RuntimeException | Error e) {
            if (adapter != null) {
                adapter.close();
            }
            model.close();
            throw e;
        }
    }

    /**
     * Where the weights and the tokenizer of a reward model are.
     *
     * @param directory the model's, or an adapter's
     * @return the model's: the base of an adapter
     * @throws UserErrorException when an adapter does not name its base
     */
    public static Path weights(Path directory) {
        Path config = Objects.requireNonNull(directory, "directory").resolve(AdapterDirectory.CONFIG);
        return Files.isRegularFile(config) ? base(directory, config) : directory;
    }

    /**
     * {@return whether a parameter of an adapter belongs to a classifier's head}
     *
     * @param key the parameter's, in the adapter's file
     */
    public static boolean isHead(String key) {
        return HEAD.matcher(key).find();
    }

    private static Path base(Path directory, Path config) {
        String base = AdapterDirectory.baseOf(directory)
                .orElseThrow(() -> new UserErrorException(
                        config + ": '" + BASE + "' is missing: it names the model below the adapter"));
        Path local = InputFiles.path(config + ": '" + BASE + "'", base);
        return Files.isDirectory(local) ? local : HubClient.fromEnvironment().resolve(base);
    }

    private static SupervisedOptions defaults(CausalLM model) {
        return SupervisedOptions.builder()
                .maxLength(model.network().maxPositions())
                .renderer(model.chatTemplate().map(ChatTemplateRenderer::new).orElse(null))
                .trainOn(TrainOn.ALL)
                .build();
    }

    /** Which token of a sequence is judged by a model, which has to give one number. */
    static Pooling pooling(CausalLM model) {
        Pooling pooling = model.network().pooling();
        if (pooling == null || model.network().outputLayer().outFeatures() != 1) {
            throw new UserErrorException(
                    model.config().origin() + ": " + model.config().architecture()
                            + " gives no reward, expected a classifier of sequences with one label");
        }
        return pooling;
    }

    /**
     * The same model, which reads its texts in another way; it is still closed once.
     *
     * @param newOptions as in its training: the prompt, the chat template, the longest text
     * @return another reward model on the same weights, which must not outlive this one
     */
    public RewardModel reading(SupervisedOptions newOptions) {
        return new RewardModel(model, false, adapter, Objects.requireNonNull(newOptions, "newOptions"));
    }

    /**
     * The model that judges.
     *
     * @return the model
     */
    public CausalLM model() {
        return model;
    }

    /**
     * Refuses to judge token ids that another tokenizer made, which mean something else here.
     *
     * @param others made the ids
     * @throws UserErrorException when the tokenizers differ, with the first token that does
     */
    public void requireSameTokens(Tokenizer others) {
        requireSameTokens(model.tokenizer(), others);
    }

    /**
     * Refuses a reward model's tokenizer that gives other ids than the one that makes them.
     *
     * @param own the reward model's
     * @param others made the ids
     * @throws UserErrorException when they differ, with the first token that does
     */
    public static void requireSameTokens(Tokenizer own, Tokenizer others) {
        own.differenceFrom(others).ifPresent(difference -> {
            throw new UserErrorException("the reward model has another tokenizer: " + difference
                    + "; train one on the same base, or give it texts");
        });
    }

    /**
     * How good texts are.
     *
     * @param texts each of them prompt and answer in one
     * @return a reward each
     * @throws UserErrorException when a reward is no finite number
     */
    public double[] scoreTexts(List<String> texts) {
        return score(texts.stream().map(PlainText::new).toList());
    }

    /**
     * How good answers are: prompts with their completions, instructions, conversations.
     *
     * @param answers each after its prompt
     * @return a reward each
     * @throws UserErrorException when one cannot be read, or a reward is no finite number
     */
    public double[] score(List<? extends Example> answers) {
        ExampleTokenizer tokenizer = new ExampleTokenizer(model.tokenizer(), options);
        return scoreTokens(answers.stream()
                .map(answer -> tokenizer
                        .tokenize(answer)
                        .cutTo(options.maxLength(), options.truncation())
                        .ids())
                .toList());
    }

    /**
     * How good answers are that are tokens already.
     *
     * @param sequences each of them prompt and answer in one, in the ids of this model's tokenizer
     * @return a reward each
     * @throws UserErrorException when an id is not in the model's table, or a reward is no finite number
     */
    public double[] scoreTokens(List<int[]> sequences) {
        List<Sample> samples =
                sequences.stream().map(ids -> new Sample(ids, ids)).toList();
        return Arrays.stream(SequenceScores.of(model, samples))
                .mapToDouble(scores -> scores[0])
                .toArray();
    }

    /** Frees the model where it was read for this. */
    @Override
    public void close() {
        if (owned) {
            if (adapter != null) {
                adapter.close();
            }
            model.close();
        }
    }
}
