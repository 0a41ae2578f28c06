package org.finetune4j.train.stage;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.UnpairedPreference;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.objective.Score;
import org.jspecify.annotations.Nullable;

/**
 * A kind of training with its settings: which records it learns from and how they become samples, what the model must be,
 * and what is made small. Immutable; everything else of a training is the same for all stages.
 */
public interface Stage {

    /** {@return the name in configurations, such as {@code sft}} */
    String name();

    /** {@return the settings under the names that users know them by, for reports} */
    Map<String, Object> settings();

    /** {@return the kinds of records that it learns from} */
    Set<Class<? extends Example>> kinds();

    /** {@return what those records are, for messages: {@code "pairs of a chosen and a rejected answer"}} */
    String records();

    /**
     * {@return whether it learns from plain text that is cut into pieces}
     */
    default boolean continuesText() {
        return false;
    }

    /**
     * {@return whether what it trains still writes text, so that the next of several stages in a row goes on from it}
     */
    default boolean continuesAsBase() {
        return true;
    }

    /**
     * Refuses records that the stage cannot learn from.
     *
     * @param examples of any kinds
     * @throws UserErrorException for the first record of another kind, with its place
     */
    default void require(ExampleDataset examples) {
        if (examples.kinds().stream().allMatch(kind -> kinds().stream().anyMatch(own -> own.isAssignableFrom(kind)))) {
            return;
        }
        for (int i = 0; i < examples.size(); i++) {
            Example example = examples.get(i);
            if (kinds().stream().noneMatch(kind -> kind.isInstance(example))) {
                throw new UserErrorException(examples.location(i) + ": stage " + name() + " learns from " + records()
                        + ", and the record is " + RecordKinds.describe(example));
            }
        }
    }

    /**
     * Refuses an example that nothing can be learned from, although it is of a right kind: then it is a bad record, which a
     * configuration may leave out.
     *
     * @param example one of the training's or the held-out ones
     * @throws UserErrorException when it teaches nothing; without its place
     */
    default void check(Example example) {
        if (example instanceof PreferencePair pair && kinds().contains(PreferencePair.class)) {
            pair.requireComparable();
        }
        if (example instanceof UnpairedPreference judged && kinds().contains(UnpairedPreference.class)) {
            judged.requireAnswer();
        }
    }

    /**
     * How the model is loaded.
     *
     * @param options what the user asks for
     * @param directory of the model
     * @param examples what it will learn from; null where that is plain text
     * @return the same options for a model as it is, or as a classifier of sequences
     * @throws UserErrorException when the stage cannot train such a model
     */
    default LoadOptions loading(LoadOptions options, Path directory, @Nullable ExampleDataset examples) {
        return options;
    }

    /**
     * The samples of examples, one each.
     *
     * @param examples of the kinds that the stage learns from
     * @param model with its tokenizer, which must stay open as long as samples are made
     * @param options the chat template or prompt that puts them into words, and the longest sequence
     * @return the samples, with the columns that the objective needs
     * @throws UserErrorException when the first example cannot become a sample, or none is left
     */
    TrainingDataset samples(ExampleDataset examples, CausalLM model, SupervisedOptions options);

    /**
     * What batches are made of.
     *
     * @param samples to train on
     * @param maxLength tokens of the longest sequence
     * @param notes is given a line for what was done
     * @return the samples, or rows that hold several of them
     */
    default TrainingDataset batches(TrainingDataset samples, int maxLength, List<String> notes) {
        return samples;
    }

    /**
     * Completes a training: its objective, or where its steps come from, and the checks before it.
     *
     * @param tuner with model, method, arguments and samples
     * @param data what is trained on
     */
    void configure(FineTuner tuner, StageData data);

    /**
     * The scores that its objective gives held-out samples beside the loss, by which the best model can be chosen.
     *
     * @return none unless the objective has some
     */
    default List<Score> scores() {
        return List.of();
    }

    /**
     * Writes what was trained.
     *
     * @param result of a run that came to its end
     * @param directory where it goes
     * @throws UserErrorException when it cannot be written
     */
    default void save(TrainingResult result, Path directory) {
        result.save(directory);
    }
}
