package org.finetune4j.rlhf.rollout;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.rlhf.reward.RewardModel;
import org.finetune4j.rlhf.rewards.RewardRequest;
import org.finetune4j.rlhf.rewards.RewardSource;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LossHead;

/**
 * A reward model that is an adapter with a head of one number for the policy's own base: both sit on one base in memory, and the base
 * is scored with the policy's adapter off and the reward's on.
 */
final class SharedBaseReward implements RewardSource {

    private static final String HEAD = "base_model.model.score.weight";
    private static final int BATCH = 8;

    private final CausalLM model;
    private final Adapter policy;
    private final Adapter adapter;
    private final Tensor head;

    /** @param head [1, hidden] */
    private SharedBaseReward(CausalLM model, Adapter policy, Adapter adapter, Tensor head) {
        this.model = model;
        this.policy = policy;
        this.adapter = adapter;
        this.head = head;
    }

    /** Empty where the directory holds something else, or the policy is no adapter. */
    static Optional<SharedBaseReward> open(Path directory, CausalLM model, AttachedStrategy method) {
        Path weights = directory.resolve(AdapterDirectory.WEIGHTS);
        if (!shares(directory, model, method)) {
            return Optional.empty();
        }
        Adapter policy = (Adapter) method;
        ObjectNode settings = InputFiles.jsonObject(directory.resolve(AdapterDirectory.CONFIG));
        Path bare = AtomicFiles.temporaryDirectory("reward-adapter");
        try (SafetensorsFile stored = SafetensorsFile.open(weights);
                TensorScope scope = TensorScope.open()) {
            List<String> heads =
                    stored.names().stream().filter(RewardModel::isHead).toList();
            if (!heads.equals(List.of(HEAD))) {
                return Optional.empty();
            }
            settings.putNull("modules_to_save").put("task_type", "CAUSAL_LM");
            AtomicFiles.writeString(bare.resolve(AdapterDirectory.CONFIG), settings.toString());
            List<SafetensorsWriter.Entry> rest = new ArrayList<>();
            stored.names().stream()
                    .filter(name -> !RewardModel.isHead(name))
                    .forEach(name -> rest.add(SafetensorsWriter.Entry.of(name, stored.tensor(name))));
            SafetensorsWriter.write(bare.resolve(AdapterDirectory.WEIGHTS), rest, SafetensorsWriter.PYTORCH_METADATA);
            Tensor head = stored.tensor(HEAD)
                    .to(DType.FLOAT32)
                    .to(model.device())
                    .copy()
                    .unscoped();
            return Optional.of(new SharedBaseReward(model, policy, attach(model, policy, bare), head));
        } finally {
            AtomicFiles.deleteTemporary(bare);
        }
    }

    private static Adapter attach(CausalLM model, Adapter policy, Path directory) {
        policy.disable();
        try {
            Adapter adapter = AdapterFormat.load(model, directory, false);
            adapter.disable();
            return adapter;
        } finally {
            policy.enable();
        }
    }

    /** Whether a directory holds an adapter for the base that the policy, an adapter too, is on. */
    static boolean shares(Path directory, CausalLM model, AttachedStrategy method) {
        Path config = directory.resolve(AdapterDirectory.CONFIG);
        return method instanceof Adapter
                && Files.isRegularFile(config)
                && Files.isRegularFile(directory.resolve(AdapterDirectory.WEIGHTS))
                && isBase(AdapterDirectory.baseOf(directory).orElse(""), model);
    }

    private static boolean isBase(String named, CausalLM model) {
        Path directory = model.directory();
        if (directory == null || named.isEmpty()) {
            return false;
        }
        Path base = InputFiles.path("base_model_name_or_path", named);
        try {
            return Files.isDirectory(base) && Files.isSameFile(base, directory);
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    public String name() {
        return ModelReward.NAME;
    }

    @Override
    public boolean isOfEveryRank() {
        return true;
    }

    @Override
    public double[] scores(List<RewardRequest> requests) {
        policy.disable();
        adapter.enable();
        try {
            double[] scores = new double[requests.size()];
            Collator collator = Collator.of(model);
            for (int start = 0; start < scores.length; start += BATCH) {
                List<Sample> samples = new ArrayList<>();
                for (RewardRequest request : requests.subList(start, Math.min(scores.length, start + BATCH))) {
                    int[] ids = ModelReward.sequence(request);
                    samples.add(new Sample(ids, ids));
                }
                double[] some = score(collator.collate(samples), samples);
                System.arraycopy(some, 0, scores, start, some.length);
            }
            return scores;
        } finally {
            adapter.disable();
            policy.enable();
        }
    }

    private double[] score(Batch batch, List<Sample> samples) {
        int[] last = new int[samples.size()];
        for (int row = 0; row < last.length; row++) {
            last[row] = row * batch.sequenceLength() + samples.get(row).length() - 1;
        }
        double[][] scores = new double[1][];
        LossHead reader = (hidden, context, wantGradient) -> {
            scores[0] = read(hidden, context, last);
            return new LossHead.Result(0, null);
        };
        new Backpropagation(model, GradientCheckpointing.none()).evaluate(batch.modelInputs(), reader);
        return scores[0];
    }

    /** [batch, seq, hidden] to a number a row. */
    private double[] read(Tensor hidden, SequenceContext context, int[] last) {
        Tensor flat = hidden.reshape(-1, hidden.size(-1));
        Tensor index = Tensors.of(last, last.length).to(flat.device());
        Tensor normalised = model.network().finalNorm(flat.indexSelect(0, index), context.withoutRows());
        return normalised.to(DType.FLOAT32).matmul(head.t()).to(DType.FLOAT64).toDoubleArray();
    }

    @Override
    public void close() {
        adapter.close();
        head.close();
    }
}
