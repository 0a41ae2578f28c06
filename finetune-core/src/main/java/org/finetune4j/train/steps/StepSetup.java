package org.finetune4j.train.steps;

import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.objective.Ranks;

/**
 * What a source of steps is opened for.
 *
 * @param model that is trained
 * @param strategy the method on it, with everything that trains
 * @param arguments of the training
 * @param ranks those that train together: what only one of them can find out, such as the answer of a service, all go by
 * @param writes whether files of the run are this process's to write, where several train together
 * @param stopRequested whether somebody asked the run to stop; any call may ask
 * @param warnings is given one line for what is probably not meant, at any time
 */
public record StepSetup(
        CausalLM model,
        AttachedStrategy strategy,
        TrainingArguments arguments,
        Ranks ranks,
        boolean writes,
        BooleanSupplier stopRequested,
        Consumer<String> warnings) {}
