package org.finetune4j.rlhf.distill;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.rollout.Episode;
import org.finetune4j.rlhf.rollout.PolicyPrompt;
import org.finetune4j.rlhf.rollout.PolicySampler;
import org.finetune4j.rlhf.rollout.SamplingOptions;
import org.finetune4j.train.gradient.DistillationLoss;
import org.finetune4j.train.steps.SourceState;
import org.finetune4j.train.steps.StepBatch;
import org.finetune4j.train.steps.StepBatches;
import org.finetune4j.train.steps.StepOutcome;
import org.finetune4j.train.steps.StepSetup;
import org.finetune4j.train.steps.StepSource;
import org.jspecify.annotations.Nullable;

/**
 * Steps over records some of whose answers are replaced by what a model says to their prompts now: the student, as in generalised
 * knowledge distillation (Agarwal et al. 2024, arXiv:2306.13649, algorithm 1), or the teacher. Who writes a batch, and what is drawn,
 * follows from the seed and the number of the step, so that a resumed run draws the same.
 */
final class AnsweredSteps implements StepSource {

    private static final String STEP = "answered_step";

    private final StepSource records;
    private final AnswerSettings settings;
    private final StepSetup setup;
    private final @Nullable CausalLM teacher;
    private final Runnable closing;
    private final Collator collator;
    private long step;
    private int batches;
    private int written;
    private int answers;
    private long answerTokens;

    /**
     * @param records what is read, with answers or without
     * @param teacher writes answers, or null where it does not
     * @param closing runs when the run is over
     */
    AnsweredSteps(
            StepSource records,
            AnswerSettings settings,
            StepSetup setup,
            @Nullable CausalLM teacher,
            Runnable closing) {
        this.records = records;
        this.settings = settings;
        this.setup = setup;
        this.teacher = teacher;
        this.closing = closing;
        this.collator = Collator.of(setup.model());
    }

    @Override
    public OptionalLong totalSteps() {
        return records.totalSteps();
    }

    @Override
    public double epoch() {
        return records.epoch();
    }

    @Override
    public double totalEpochs() {
        return records.totalEpochs();
    }

    @Override
    public OptionalInt commonLength() {
        return records.commonLength();
    }

    @Override
    public String fingerprint() {
        return records.fingerprint() + (settings.areWritten() ? ", " + settings : "");
    }

    @Override
    public Optional<StepBatches> next() {
        batches = 0;
        written = 0;
        answers = 0;
        answerTokens = 0;
        Optional<StepBatches> read = records.next();
        if (read.isEmpty() || !settings.areWritten()) {
            return read;
        }
        List<StepBatch> all = new ArrayList<>();
        SplittableRandom random = new SplittableRandom(setup.arguments().seed() + 0x9E3779B97F4A7C15L * (step + 1));
        long stream = step
                * setup.arguments().perDeviceTrainBatchSize()
                * setup.arguments().gradientAccumulationSteps();
        for (StepBatch part : read.get().batches()) {
            if (setup.stopRequested().getAsBoolean()) {
                return Optional.empty();
            }
            boolean student = random.nextDouble() < settings.byStudent();
            Batch batch = part.batch();
            if (student || teacher != null) {
                CausalLM writer = student || teacher == null ? setup.model() : teacher;
                batch = answered(batch, writer, student, stream);
            }
            batches++;
            written += student ? 1 : 0;
            stream += batch.batchSize();
            all.add(new StepBatch(batch, part.objective(), part.weight(), part.prepare()));
        }
        return Optional.of(new StepBatches(all));
    }

    /** The prompts of a batch with answers of a model. */
    private Batch answered(Batch batch, CausalLM writer, boolean student, long stream) {
        List<PolicyPrompt> prompts = new ArrayList<>();
        int longest = 0;
        for (int row = 0; row < batch.batchSize(); row++) {
            int[] ids = prompt(batch, row);
            longest = Math.max(longest, ids.length);
            prompts.add(new PolicyPrompt(row, "", ids, Map.of()));
        }
        int room = Math.min(
                writer.network().maxPositions() - writer.virtualTokens(),
                setup.model().network().maxPositions() - setup.model().virtualTokens());
        if (room <= longest) {
            return batch; // a prompt fills the model: there is no place for another answer
        }
        List<Episode> said = new PolicySampler(writer, within(settings.sampling(), room - longest))
                .answer(prompts, setup.arguments().seed(), stream);
        List<Sample> samples = new ArrayList<>();
        for (Episode episode : said) {
            int[] prompt = episode.prompt().ids();
            int[] answer = episode.tokens();
            int[] ids = Arrays.copyOf(prompt, prompt.length + answer.length);
            System.arraycopy(answer, 0, ids, prompt.length, answer.length);
            int[] labels = ids.clone();
            Arrays.fill(labels, 0, prompt.length, Sample.IGNORE_INDEX);
            samples.add(new Sample(ids, labels).with(DistillationLoss.WRITTEN_BY_STUDENT, student ? 1f : 0f));
            answers++;
            answerTokens += answer.length;
        }
        return collator.collate(samples);
    }

    private static SamplingOptions within(SamplingOptions sampling, int room) {
        return room >= sampling.maxCompletionLength()
                ? sampling
                : new SamplingOptions(
                        1,
                        room,
                        sampling.temperature(),
                        sampling.topP(),
                        sampling.topK(),
                        sampling.minP(),
                        sampling.stopStrings());
    }

    /** The tokens of a row before the first one that is learned. */
    private static int[] prompt(Batch batch, int row) {
        int[] ids = new int[batch.sequenceLength()];
        int count = 0;
        int start = row * batch.sequenceLength();
        for (int at = start; at < start + ids.length && batch.labels()[at] == Sample.IGNORE_INDEX; at++) {
            if (batch.attentionMask()[at] != 0) {
                ids[count++] = batch.inputIds()[at];
            }
        }
        return Arrays.copyOf(ids, count);
    }

    @Override
    public void updated(StepOutcome outcome) {
        records.updated(outcome);
        step++;
    }

    @Override
    public Map<String, Double> metrics() {
        Map<String, Double> metrics = new LinkedHashMap<>(records.metrics());
        if (settings.areWritten()) {
            metrics.put("on_policy", (double) written / Math.max(1, batches));
            if (answers > 0) {
                metrics.put("completions/mean_length", (double) answerTokens / answers);
            }
        }
        return metrics;
    }

    @Override
    public SourceState state() {
        return records.state().with(STEP, step);
    }

    @Override
    public void restore(SourceState state) {
        step = state.natural(STEP, Long.MAX_VALUE);
        records.restore(state);
    }

    @Override
    public void close() {
        try {
            records.close();
        } finally {
            closing.run();
        }
    }
}
