package org.finetune4j.train.gradient;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.Segment.Gradients;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Stages of a model's segments that work on several batches in turn, one forward run and one backward run (Narayanan et al.
 * 2019): a stage goes forwards once more for every stage after it, then alternates.
 */
public final class Pipeline {

    private record Task(boolean forward, int batch) {}

    private final Backpropagation backpropagation;
    private final CausalLM model;
    private final int[] cuts;
    private final List<String> done = new ArrayList<>();

    /** @param cuts the segments that the stages after the first begin with */
    public Pipeline(Backpropagation backpropagation, CausalLM model, int... cuts) {
        this.backpropagation = backpropagation;
        this.model = model;
        this.cuts = cuts;
    }

    /** Adds the gradients of all batches and gives their loss. */
    public double run(List<Batch> batches) {
        double scale = 1.0 / batches.stream().mapToInt(Batch::labelledTokens).sum();
        int stages = cuts.length + 1;
        double loss = 0;
        try (TensorScope scope = TensorScope.open();
                MicroBatches all = backpropagation.microBatches()) {
            List<MicroBatch> running = batches.stream()
                    .map(batch -> all.start(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, scale)))
                    .toList();
            @Nullable SegmentOutput[][] outputs = new SegmentOutput[stages][batches.size()];
            @Nullable Tensor[][] gradients = new Tensor[stages][batches.size()];
            boolean[][] back = new boolean[stages][batches.size()];
            List<Deque<Task>> waiting = IntStream.range(0, stages)
                    .mapToObj(stage -> tasks(stages - 1 - stage, batches.size()))
                    .toList();
            while (waiting.stream().anyMatch(tasks -> !tasks.isEmpty())) {
                for (int stage = 0; stage < stages; stage++) {
                    Task task = waiting.get(stage).peek();
                    if (task == null || !ready(task, stage, outputs, back)) {
                        continue;
                    }
                    waiting.get(stage).remove();
                    done.add((task.forward ? "F" : "B") + stage + task.batch);
                    MicroBatch batch = running.get(task.batch);
                    if (task.forward) {
                        SegmentOutput before = stage == 0 ? null : outputs[stage - 1][task.batch];
                        outputs[stage][task.batch] = forward(batch, stage, before);
                    } else {
                        boolean last = stage == stages - 1;
                        Tensor arrived = last ? null : gradients[stage + 1][task.batch];
                        if (last || arrived != null) {
                            gradients[stage][task.batch] = outputs[stage][task.batch].backward(arrived);
                        }
                        back[stage][task.batch] = true;
                    }
                }
            }
            for (int batch = 0; batch < batches.size(); batch++) {
                running.get(batch).finish();
                loss += outputs[stages - 1][batch].tensor().item()
                        + running.get(batch).extraLoss();
                running.get(batch).close();
            }
        }
        return loss;
    }

    private SegmentOutput forward(MicroBatch batch, int stage, @Nullable SegmentOutput before) {
        int from = stage == 0 ? 0 : cuts[stage - 1];
        int to = stage == cuts.length ? batch.segments() : cuts[stage];
        return before == null
                ? batch.forward(from, to, batch.tokens(), Gradients.OF_PARAMETERS)
                : batch.forward(
                        from, to, before.tensor(), before.isRecorded() ? Gradients.OF_INPUT : Gradients.OF_PARAMETERS);
    }

    private static Deque<Task> tasks(int stagesAfter, int batches) {
        int ahead = Math.min(stagesAfter, batches);
        Deque<Task> tasks = new ArrayDeque<>();
        IntStream.range(0, ahead).forEach(batch -> tasks.add(new Task(true, batch)));
        for (int batch = 0; batch < batches; batch++) {
            if (ahead + batch < batches) {
                tasks.add(new Task(true, ahead + batch));
            }
            tasks.add(new Task(false, batch));
        }
        return tasks;
    }

    private boolean ready(Task task, int stage, @Nullable SegmentOutput[][] outputs, boolean[][] back) {
        if (task.forward) {
            return stage == 0 || outputs[stage - 1][task.batch] != null;
        }
        return outputs[stage][task.batch] != null && (stage == cuts.length || back[stage + 1][task.batch]);
    }

    /** What was done, in order: F or B, stage, batch. */
    public List<String> done() {
        return done;
    }
}
