package org.finetune4j.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.data.SampleInspector;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.nn.Residency;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.train.TrainingSamples.Parts;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.group.TrainingGroup;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.StepMemory;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.preflight.Preflight;
import org.finetune4j.train.preflight.PreflightCheck;
import org.finetune4j.train.preflight.PreflightContext;
import org.finetune4j.train.preflight.PreflightReport;
import org.finetune4j.train.steps.StepSetup;
import org.finetune4j.train.steps.StepSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Fine-tunes a model in one expression.
 *
 * <pre>{@code
 * try (CausalLM model = CausalLM.load(Path.of("models/SmolLM2-135M"));
 *         TrainingResult result = FineTuner.of(model)
 *                 .strategy(Lora.builder().rank(16).alpha(32).targetModules("all-linear").build())
 *                 .dataset(InstructionDataset.jsonl(Path.of("alpaca.jsonl")))
 *                 .arguments(TrainingArguments.builder().epochs(3).learningRate(2e-4).batchSize(8).build())
 *                 .listener(ProgressListener.console())
 *                 .train()) {
 *     result.saveAdapter(Path.of("out/adapter"));
 * }
 * }</pre>
 */
public final class FineTuner {

    private static final Logger LOG = LoggerFactory.getLogger(FineTuner.class);
    private static final int PREVIEW_TOKENS = 48;

    /** Enough to find a mistake that is everywhere, few enough to start at once. */
    private static final int SAMPLES_BEFORE_TRAINING = 512;

    private final CausalLM model;
    private FineTuningStrategy strategy = new FullFineTuning();
    private TrainingArguments arguments = TrainingArguments.defaults();
    private @Nullable Objective objective;
    private final TrainingSamples samples;
    private StepSource.@Nullable Factory steps;
    private @Nullable Evaluation evaluation;
    private int previews;
    private @Nullable Boolean paddingFree;
    private boolean sharedPrompts = true;
    private final List<PreflightCheck> checks = new ArrayList<>();
    private final List<TrainingListener> listeners = new ArrayList<>();
    private final List<Residency> residencies = new ArrayList<>();
    private TrainingGroup group = TrainingGroup.alone();
    private final Map<String, Object> description = new LinkedHashMap<>();
    private Consumer<String> messages = LOG::info;
    private long processBytes = MemoryPlan.TYPICAL_PROCESS;
    private volatile @Nullable Trainer trainer;
    private volatile boolean stopRequested;

    private FineTuner(CausalLM model) {
        this.model = model;
        this.samples = new TrainingSamples(model);
    }

    /**
     * A fine-tuner for {@code model}, which stays the caller's.
     *
     * @param model with a tokenizer where texts are trained on
     * @return the fine-tuner
     */
    public static FineTuner of(CausalLM model) {
        return new FineTuner(Objects.requireNonNull(model, "model"));
    }

    /**
     * The method; full fine-tuning when none is set.
     *
     * @param value the method with its settings
     * @return this fine-tuner
     */
    public FineTuner strategy(FineTuningStrategy value) {
        strategy = Objects.requireNonNull(value, "strategy");
        return this;
    }

    /**
     * Changes the method, as a kind of training does that needs something beside it.
     *
     * @param change is given the method that is set
     * @return this fine-tuner
     */
    public FineTuner strategy(UnaryOperator<FineTuningStrategy> change) {
        strategy = Objects.requireNonNull(change.apply(strategy), "strategy");
        return this;
    }

    /**
     * Examples with answers to train on: instructions, prompts, conversations.
     *
     * @param value what is trained on
     * @return this fine-tuner
     */
    public FineTuner dataset(ExampleDataset value) {
        samples.train(value);
        return this;
    }

    /**
     * Samples that are token ids already, or become them on demand.
     *
     * @param value what is trained on
     * @return this fine-tuner
     */
    public FineTuner dataset(TrainingDataset value) {
        samples.train(value);
        return this;
    }

    /**
     * Held-out examples.
     *
     * @param value examples that are not trained on
     * @return this fine-tuner
     */
    public FineTuner evaluation(ExampleDataset value) {
        samples.evaluation(value);
        return this;
    }

    /**
     * Held-out samples.
     *
     * @param value samples that are not trained on
     * @return this fine-tuner
     */
    public FineTuner evaluation(TrainingDataset value) {
        samples.evaluation(value);
        return this;
    }

    /**
     * A measurement of its own in the place of the objective's on held-out samples.
     *
     * @param value measures the model as often as the arguments ask for
     * @return this fine-tuner
     */
    public FineTuner evaluation(Evaluation value) {
        evaluation = Objects.requireNonNull(value, "evaluation");
        return this;
    }

    /**
     * Where the batches come from, in the place of epochs over the dataset. A training may then do without a dataset; one that is
     * set is what the checks before the training look at, and what the method may start from.
     *
     * @param value opens the source once the method is on the model
     * @return this fine-tuner
     */
    public FineTuner steps(StepSource.Factory value) {
        steps = Objects.requireNonNull(value, "steps");
        return this;
    }

    /**
     * Holds out a part of the training data, above 0 and below 1, chosen by the arguments' seed.
     *
     * @param value above 0 and below 1
     * @return this fine-tuner
     */
    public FineTuner evaluationFraction(double value) {
        samples.evaluationFraction(value);
        return this;
    }

    /**
     * How examples become token ids; when nothing is set, instructions by the Alpaca prompt.
     *
     * @param value the prompt, the lengths and what is learned; without a renderer, conversations go into the model's chat
     *     template
     * @return this fine-tuner
     */
    public FineTuner tokenization(SupervisedOptions value) {
        samples.tokenization(value);
        return this;
    }

    /**
     * The form that samples were made in, where they are token ids already: it is written with the result, which is then
     * asked in it. Instructions tell theirs by themselves.
     *
     * @param value a chat template, or null for none but the model's own
     * @return this fine-tuner
     */
    public FineTuner chatTemplate(@Nullable ChatTemplate value) {
        samples.chatTemplate(value);
        return this;
    }

    /**
     * Sets how to train; the defaults when nothing is set.
     *
     * @param value how to train
     * @return this fine-tuner
     */
    public FineTuner arguments(TrainingArguments value) {
        arguments = Objects.requireNonNull(value, "arguments");
        return this;
    }

    /**
     * What the training makes small.
     *
     * @param value the objective; cross entropy with what the arguments add to it when none is set
     * @return this fine-tuner
     */
    public FineTuner objective(Objective value) {
        objective = Objects.requireNonNull(value, "objective");
        return this;
    }

    private Objective objective() {
        return objective == null ? new CrossEntropy(arguments.loss()) : objective;
    }

    /**
     * Whether the samples of a batch follow one another in one row, without padding: the same losses and gradients with less work.
     *
     * @param value unless set, whatever the objective and the model allow
     * @return this fine-tuner
     */
    public FineTuner paddingFree(boolean value) {
        paddingFree = value;
        return this;
    }

    /**
     * Whether what samples of a batch begin with alike and do not learn, such as a template's first lines, is computed once where they lie in
     * one row and learn by cross entropy: the same losses and gradients with less work.
     *
     * @param value true unless set
     * @return this fine-tuner
     */
    public FineTuner sharedPrompts(boolean value) {
        sharedPrompts = value;
        return this;
    }

    /**
     * The method that was set.
     *
     * @return the method
     */
    public FineTuningStrategy strategy() {
        return strategy;
    }

    /**
     * Adds a check of the preflight to those that every training has.
     *
     * @param value looks at what is to be trained
     * @return this fine-tuner
     */
    public FineTuner check(PreflightCheck value) {
        checks.add(Objects.requireNonNull(value, "check"));
        return this;
    }

    /**
     * Adds a listener.
     *
     * @param value is told what happens, after those added before
     * @return this fine-tuner
     */
    public FineTuner listener(TrainingListener value) {
        listeners.add(Objects.requireNonNull(value, "listener"));
        return this;
    }

    /**
     * Adds something to be done around every segment of the model in every pass of the run: its steps, evaluations, answers.
     *
     * @param value brings what a segment needs to where it is needed, inside of those added before
     * @return this fine-tuner
     */
    public FineTuner residency(Residency value) {
        residencies.add(Objects.requireNonNull(value, "residency"));
        return this;
    }

    /**
     * The ranks that train together; this process alone when none are set. Each of them makes the same training.
     *
     * @param value as this rank sees them; stays the caller's
     * @return this fine-tuner
     */
    public FineTuner group(TrainingGroup value) {
        group = Objects.requireNonNull(value, "group");
        return this;
    }

    /**
     * Answers the first {@code count} held-out instructions before and after training, for reports.
     *
     * @param count how many; 0 for none
     * @return this fine-tuner
     */
    public FineTuner previews(int count) {
        previews = count;
        return this;
    }

    /**
     * Adds a line to the configuration that reports show.
     *
     * @param key the name of the line
     * @param value its text, or what reads as one
     * @return this fine-tuner
     */
    public FineTuner describe(String key, Object value) {
        description.put(key, value);
        return this;
    }

    /**
     * Who is told the memory plan and the warnings of the preflight; the log when nobody is set.
     *
     * @param value is given one line each time
     * @return this fine-tuner
     */
    public FineTuner messages(Consumer<String> value) {
        messages = Objects.requireNonNull(value, "messages");
        return this;
    }

    /**
     * Bytes of this process without the model, for the memory plan.
     *
     * @param value as measured before the model was loaded
     * @return this fine-tuner
     */
    public FineTuner processBytes(long value) {
        processBytes = value;
        return this;
    }

    /**
     * Asks a running {@link #train} to stop after the present step, with a checkpoint. Any thread may ask; to interrupt the thread that
     * trains is the same.
     */
    public void requestStop() {
        stopRequested = true;
        Trainer running = trainer;
        if (running != null) {
            running.requestStop();
        }
    }

    /**
     * Looks at everything that a training would need, at every sample too, without training.
     *
     * @return what was found
     * @throws UserErrorException when data, settings and model do not fit together at all
     */
    public PreflightReport preflight() {
        Parts data = samples.parts(arguments.seed(), strategy.tasks());
        try (CausalLM.Entry training = model.beginTraining();
                AttachedStrategy attached = attach(data)) {
            PreflightContext context = context(data, attached, 0);
            List<PreflightCheck> all = new ArrayList<>(checks);
            all.add(new RunNeedsCheck());
            int shown = data.firstReadable();
            String sample = model.hasTokenizer() && shown >= 0
                    ? new SampleInspector(model.tokenizer()).render(data.train().get(shown))
                    : null;
            return new PreflightReport(
                    data.train().size(),
                    context.survey(),
                    context.memory(),
                    Preflight.run(context, all),
                    sample,
                    data.train().location(Math.max(0, shown)));
        }
    }

    /**
     * The memory that a training would take, by the longest of some of its samples.
     *
     * @return the plan
     * @throws UserErrorException when the method does not fit the model, or there is nothing to train on
     */
    public MemoryPlan memoryPlan() {
        Parts data = samples.parts(arguments.seed(), strategy.tasks());
        try (CausalLM.Entry training = model.beginTraining();
                AttachedStrategy attached = attach(data)) {
            return context(data, attached, SAMPLES_BEFORE_TRAINING).memory();
        }
    }

    /**
     * Trains, after the checks of the preflight on some of the samples.
     *
     * @return the trained model and how the run went
     * @throws UserErrorException when data, settings and model do not fit together; the message says what to change
     * @throws IllegalStateException when another thread trains this model
     */
    public TrainingResult train() {
        RunDirectory.check(arguments);
        try (CausalLM.Entry training = model.beginTraining()) {
            return trained();
        } finally {
            stopRequested = false; // who asked has been obeyed: the next call is another training
        }
    }

    private TrainingResult trained() {
        Parts data = steps != null && samples.isEmpty() ? null : samples.parts(arguments.seed(), strategy.tasks());
        ChatTemplate before = model.usedChatTemplate().orElse(null);
        ChatTemplate form = samples.form(data);
        AttachedStrategy attached = attach(data);
        Membership membership = Membership.ALONE;
        try {
            if (form != null) {
                model.useChatTemplate(form);
            }
            PreflightContext context = data == null ? null : context(data, attached, SAMPLES_BEFORE_TRAINING);
            List<String> warnings = new ArrayList<>();
            List<TrainingListener> told = new ArrayList<>();
            if (context != null) {
                warnings.addAll(Preflight.require(context, checks).warnings());
                told.add(new MemoryListener(context.memory(), this::say, new ListenerChain(listeners)));
            }
            told.addAll(listeners);
            List<String> heard = new ArrayList<>();
            told.add(new TrainingListener() {
                @Override
                public void onWarning(String message) {
                    heard.add(message);
                    say("warning: " + message);
                }
            });
            membership = group.join(model, attached, arguments);
            Trainer prepared = new Trainer(run(data, attached, membership).withListeners(told));
            warnings.forEach(prepared::warn);
            samples.notes(note -> say("data: " + note));
            if (context != null) {
                say("memory: " + context.memory().describe());
            }
            trainer = prepared;
            if (stopRequested) {
                prepared.requestStop();
            }
            return new TrainingResult(prepared.train(), attached, membership, model, before, heard);
        } catch (Throwable e) { // checked exceptions too, which other languages do not declare
            membership.close();
            model.useChatTemplate(before);
            attached.close();
            throw e;
        }
    }

    /**
     * Measures what is held out as a training does before its first step: by the objective, without training.
     *
     * @param attached what is on the model already, which stays the caller's; {@link AttachedStrategy#none()} for the model as it is
     * @return what was measured
     * @throws UserErrorException when nothing is held out, or data, settings and model do not fit together
     */
    public EvaluationMetrics evaluate(AttachedStrategy attached) {
        RunConfiguration run = run(samples.measured(arguments.seed(), strategy.tasks()), attached, Membership.ALONE);
        Evaluation measuring = run.evaluation();
        if (measuring == null) {
            throw new UserErrorException("nothing is held out to measure on");
        }
        StepSetup setup = setup(attached);
        try (RandomGenerator.Use use = RandomGenerator.of(arguments.seed()).use();
                StepSource.Opened opened = run.steps().openEvaluation(setup)) {
            return measuring.evaluate(0);
        }
    }

    private StepSetup setup(AttachedStrategy attached) {
        return new StepSetup(model, attached, arguments, Membership.ALONE, true, () -> stopRequested, this::say);
    }

    /** The first rank speaks for all. */
    private void say(String line) {
        if (group.isFirst()) {
            messages.accept(line);
        }
    }

    private RunConfiguration run(@Nullable Parts data, AttachedStrategy attached, Membership membership) {
        TrainingDataset heldOut = data == null ? null : data.evaluation();
        Objective bound = bound(attached, membership);
        RunConfiguration run = steps == null && data != null
                ? RunConfiguration.overBound(model, attached, bound, arguments, data.train(), heldOut, collator())
                : RunConfiguration.of(model, attached, arguments, Objects.requireNonNull(steps, "steps"))
                        .withHeldOut(heldOut, collator(), bound);
        return (evaluation == null ? run : run.withEvaluation(evaluation))
                .withDescription(description())
                .withResidencies(residencies)
                .withMembership(membership)
                .withPreview(GeneratedPreview.of(model, heldOut, previews, PREVIEW_TOKENS));
    }

    /** What the objective asks the model before the run, all ranks ask together: each may have a part of it only. */
    private Objective bound(AttachedStrategy attached, Membership membership) {
        try (CausalLM.Residence own = model.with(residencies);
                CausalLM.Residence ofGroup = model.with(membership.residencies())) {
            return objective().on(model, attached, membership);
        }
    }

    /** The method with initial values of the arguments' seed. */
    private AttachedStrategy attach(@Nullable Parts data) {
        try (RandomGenerator.Use use = RandomGenerator.of(arguments.seed()).use();
                MatrixProducts.Mode products = MatrixProducts.by(MatrixProducts.Choice.MKL)) {
            return data == null
                    ? strategy.attach(model)
                    : strategy.attach(
                            model, data.batches(arguments, samplesInBatches().withoutSharing()));
        }
    }

    private SampleJoining samplesInBatches() {
        return new SampleJoining(model, objective(), arguments, paddingFree, sharedPrompts);
    }

    private Collator collator() {
        return samplesInBatches().collator();
    }

    private PreflightContext context(Parts data, AttachedStrategy attached, int looked) {
        PreflightContext context = PreflightContext.of(
                model,
                strategy.method(),
                attached,
                objective(),
                arguments,
                data.train(),
                data.evaluation(),
                collator(),
                looked,
                load -> stepMemory(attached, load),
                processBytes);
        return evaluation == null ? context : context.measuringItself();
    }

    private StepMemory stepMemory(AttachedStrategy attached, MemoryPlan.Load load) {
        StepMemory ofSteps = steps == null ? StepMemory.of(load) : steps.memory(setup(attached), load);
        return ofSteps.withCompanion(objective().companionBytes(model));
    }

    private Map<String, Object> description() {
        Map<String, Object> all = new LinkedHashMap<>(description);
        all.put("model", model.nameOrPath());
        all.put("method", strategy.method());
        all.putAll(strategy.settings());
        return all;
    }
}
