package org.finetune4j.peft.lora;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** Looks at what linear layers are given while a model runs. Layers that are given the very same tensor share what is learned. */
final class InputRecorder implements AutoCloseable {

    private final CausalLM model;
    private final Map<String, Linear> layers;
    private final Map<String, Integer> counts;
    private final Map<String, String> leaders = new LinkedHashMap<>();
    private final Map<String, InputComponents> components = new LinkedHashMap<>();
    private @Nullable Tensor lastInput;
    private @Nullable String lastLeader;
    private @Nullable Tensor rows;

    /**
     * Starts to listen; the model computes what it did.
     *
     * @param layers by path; none of them may be extended already
     * @param counts how many directions are wanted of each
     */
    InputRecorder(CausalLM model, Map<String, Linear> layers, Map<String, Integer> counts) {
        this.model = model;
        this.layers = new LinkedHashMap<>(layers);
        this.counts = counts;
        List<Linear> done = new ArrayList<>();
        try {
            layers.forEach((path, layer) -> {
                layer.extend(new Ear(path));
                done.add(layer);
            });
        } catch (RuntimeException e) {
            done.forEach(Linear::removeExtension);
            throw e;
        }
    }

    /** Runs the model on a batch and learns from its tokens, or from those with a label. */
    void look(Batch batch, boolean labelledOnly) {
        long[] wanted = places(batch, labelledOnly);
        if (wanted.length == 0) {
            return;
        }
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            rows = Tensors.of(wanted, wanted.length).to(model.device());
            run(batch);
        } finally {
            rows = null;
        }
    }

    /** Finds out which layers are given the same, before anything is learned. */
    void group(Batch batch) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            run(batch);
        }
    }

    private void run(Batch batch) {
        ModelInputs inputs = batch.modelInputs();
        try {
            if (layers.containsValue(model.network().outputLayer())) {
                model.logits(inputs);
            } else {
                model.hiddenStates(inputs, model.context(inputs));
            }
        } finally {
            lastInput = null;
            lastLeader = null;
        }
    }

    private static long[] places(Batch batch, boolean labelledOnly) {
        int size = batch.batchSize() * batch.sequenceLength();
        long[] places = new long[size];
        int count = 0;
        for (int i = 0; i < size; i++) {
            boolean labelled = batch.labels()[i] != Sample.IGNORE_INDEX;
            if (batch.attentionMask()[i] != 0 && (labelled || !labelledOnly)) {
                places[count] = i;
                count++;
            }
        }
        return Arrays.copyOf(places, count);
    }

    /** The path of the layer whose components stand for this one's. */
    String leaderOf(String path) {
        return leaders.getOrDefault(path, path);
    }

    /** What was learned of the inputs of this layer. */
    InputComponents of(String path) {
        return components.computeIfAbsent(leaderOf(path), leader -> new InputComponents(countOfGroup(leader)));
    }

    /** Layers with the same inputs may want different numbers of directions. */
    private int countOfGroup(String leader) {
        int count = counts.getOrDefault(leader, 1);
        for (Map.Entry<String, Integer> other : counts.entrySet()) {
            if (leaderOf(other.getKey()).equals(leader)) {
                count = Math.max(count, other.getValue());
            }
        }
        return count;
    }

    @Override
    public void close() {
        layers.values().forEach(Linear::removeExtension);
        components.values().forEach(InputComponents::close);
    }

    /** What sits at one layer. */
    private final class Ear implements LinearExtension {

        private final String path;

        Ear(String path) {
            this.path = path;
        }

        @Override
        public Tensor forward(Linear base, Tensor x, @Nullable SequenceContext context) {
            if (lastInput != null && lastLeader != null && !lastInput.isClosed() && lastInput.isSame(x)) {
                leaders.put(path, lastLeader);
            } else {
                lastInput = x;
                lastLeader = path;
                leaders.put(path, path);
                if (rows != null) {
                    Tensor all = x.reshape(-1, x.size(x.dim() - 1)); // [tokens, in]
                    of(path).add(all.indexSelect(0, rows).to(DType.FLOAT32));
                }
            }
            return base.project(x, context);
        }

        @Override
        public Collection<Parameter> parameters() {
            return List.of();
        }

        @Override
        public String toString() {
            return "EVA";
        }
    }
}
