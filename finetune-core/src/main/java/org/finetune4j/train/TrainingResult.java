package org.finetune4j.train;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ClassifierHead;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.group.Membership;
import org.jspecify.annotations.Nullable;

/**
 * What a training made. The method stays on the model, which generates with it, until this is closed; after that only the
 * summary can be asked for, anything else is an {@link IllegalStateException}.
 */
public final class TrainingResult implements AutoCloseable {

    private final TrainingSummary summary;
    private final AttachedStrategy strategy;
    private final Membership membership;
    private final CausalLM model;
    private final @Nullable ChatTemplate formBefore;
    private final List<String> warnings;
    private boolean closed;

    /**
     * @param membership of the run, closed with this result
     * @param model that was trained, which is asked in the form of the training
     * @param formBefore the form that it was asked in before
     * @param warnings what listeners were warned of
     */
    TrainingResult(
            TrainingSummary summary,
            AttachedStrategy strategy,
            Membership membership,
            CausalLM model,
            @Nullable ChatTemplate formBefore,
            List<String> warnings) {
        this.summary = summary;
        this.strategy = strategy;
        this.membership = membership;
        this.model = model;
        this.formBefore = formBefore;
        this.warnings = List.copyOf(warnings);
    }

    /**
     * What the checks before the training found, and what happened in it, that is likely not meant. Listeners hear the same.
     *
     * @return one line each, in their order
     */
    public List<String> warnings() {
        return warnings;
    }

    /**
     * How the training went.
     *
     * @return steps, losses and times
     */
    public TrainingSummary summary() {
        return summary;
    }

    /**
     * The method on the model.
     *
     * @return the method, which belongs to this result
     */
    public AttachedStrategy strategy() {
        if (closed) {
            throw new IllegalStateException("training result used after close: save what it made before");
        }
        return strategy;
    }

    /**
     * Writes what the method gives: an adapter directory in PEFT's format, or a model directory. Of several ranks, all of which
     * call it, the first one writes.
     *
     * @param directory where it goes
     * @throws UserErrorException when it cannot be written
     */
    public void save(Path directory) {
        if (strategy() instanceof Adapter) {
            saveAdapter(directory);
        } else {
            AttachedStrategy trained = strategy();
            onFirst(() -> trained.export(directory));
        }
    }

    /**
     * Does something with the trained model on the first rank, where several train: it may read any parameter, with the help of the
     * others, which all make this call and go on when it is done.
     *
     * @param work what is done
     */
    public void onFirst(Runnable work) {
        membership.onFirst(others -> work.run());
    }

    /**
     * Writes the adapter in PEFT's format; where the training had a form of its own, with the tokenizer and the chat template
     * to ask it in, and for a classifier with the configuration that says its labels.
     *
     * @param directory where it goes
     * @throws UserErrorException when the method makes no adapter
     */
    public void saveAdapter(Path directory) {
        Adapter trained = adapter();
        onFirst(() -> saveAdapter(trained, directory));
    }

    private void saveAdapter(Adapter trained, Path directory) {
        trained.export(directory);
        if (model.config().isSequenceClassifier()) {
            AtomicFiles.writeString(directory.resolve(ClassifierHead.BESIDE_ADAPTER), model.config() + "\n");
        }
        model.usedChatTemplate().ifPresent(form -> {
            model.tokenizer().copyFilesTo(directory);
            form.save(directory);
        });
    }

    /**
     * The adapter, to merge it for example.
     *
     * @return the method, as an adapter
     * @throws UserErrorException when the method makes no adapter
     */
    public Adapter adapter() {
        if (strategy() instanceof Adapter adapter) {
            return adapter;
        }
        throw new UserErrorException("full fine-tuning makes no adapter: save the model instead");
    }

    /** Takes the method off the model; without an adapter the model is asked in the form of before, too. */
    @Override
    public void close() {
        if (!closed && strategy instanceof Adapter) {
            model.useChatTemplate(formBefore);
        }
        if (!closed) {
            membership.close();
        }
        closed = true;
        strategy.close();
    }
}
