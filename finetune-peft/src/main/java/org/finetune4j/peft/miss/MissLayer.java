package org.finetune4j.peft.miss;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.AdapterSlices;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.PartedWeight;
import org.finetune4j.peft.miss.Miss.Form;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * {@code y = base(x) + D^T (x_1 + x_2 + ...)}, the sum being that of the input's shards of r features; a last one that is shorter is
 * filled up with zeros. In the form {@code bat}, block (m, n) of the weight [out, in] changes by {@code W_mn D_m + D_m}.
 */
final class MissLayer extends AdaptedLinear {

    private final Parameter block;
    private final Form form;
    private final int rank;
    private final double dropout;
    private final AdapterSlices slices;

    MissLayer(CausalLM model, Miss config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        this.form = config.form();
        this.rank = config.rank();
        this.dropout = config.dropout();
        this.slices = new AdapterSlices(linear);
        long in = linear.wholeInFeatures();
        long out = linear.wholeOutFeatures();
        if (rank > in) {
            throw new UserErrorException("'r' is " + rank + ", more than the " + in + " inputs of " + path);
        }
        if (form == Form.BAT && (in % rank != 0 || out % rank != 0)) {
            throw new UserErrorException("'r' is " + rank + ", which does not divide both the " + in
                    + " inputs and the " + out + " outputs of " + path + ", as init_weights: bat needs it");
        }
        if (form == Form.MINI && out % config.miniRank() != 0) {
            throw new UserErrorException(
                    "'mini_r' is " + config.miniRank() + ", which does not divide the " + out + " outputs of " + path);
        }
        Device device = model.device();
        this.block = slices.ofAll(InitialValues.parameter(
                model,
                path + ".miss_block",
                switch (form) {
                    case PLAIN -> InitialValues.zeros(device, rank, out);
                    case MINI -> InitialValues.zeros(device, rank, config.miniRank());
                    case BAT -> InitialValues.zeros(device, out / rank, rank, rank);
                    case RANDOM -> InitialValues.kaimingUniform(device, rank, out);
                },
                trainable));
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        DType dtype = x.dtype();
        Tensor output = linear.project(x, context);
        if (form == Form.BAT) {
            Tensor weight = PartedWeight.dense(linear, context).to(dtype);
            return output.add(Functional.linear(x, changeOf(weight), null));
        }
        long[] shape = x.shape();
        long in = shape[shape.length - 1];
        Tensor rows = slices.dropped(x, dropout, context).reshape(-1, in); // [rows, in]
        if (linear.weight().slice() != null) {
            // A slice may begin within a shard.
            return output.add(
                    Functional.linear(rows, slices.of(delta(dtype)), null).reshape(output.shape()));
        }
        long missing = Math.floorMod(-in, rank);
        if (missing > 0) {
            rows = Tensors.cat(List.of(rows, Tensors.zeros(dtype, x.device(), rows.size(0), missing)), 1);
        }
        Tensor sums = rows.reshape(rows.size(0), -1, rank).sum(1, false); // [rows, r]
        return output.add(sums.matmul(shard(dtype)).reshape(output.shape()));
    }

    /** What is added to every shard: [r, out]. */
    private Tensor shard(DType dtype) {
        Tensor values = block.as(dtype);
        long repeats = base().wholeOutFeatures() / values.size(1);
        return repeats == 1
                ? values
                : values.unsqueeze(1).expand(rank, repeats, values.size(1)).reshape(rank, base().wholeOutFeatures());
    }

    /** The change in the form {@code bat}: [out, in]. */
    private Tensor changeOf(Tensor weight) {
        long out = weight.size(0);
        long in = weight.size(1);
        Tensor learned = block.as(weight.dtype()); // [out / r, r, r]
        Tensor blocks =
                weight.reshape(out / rank, rank, in / rank, rank).permute(2, 0, 1, 3); // [in / r, out / r, r, r]
        return blocks.matmul(learned).add(learned).permute(1, 2, 0, 3).reshape(out, in);
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        if (form == Form.BAT) {
            return weight.add(changeOf(weight));
        }
        return weight.add(slices.of(delta(weight.dtype())));
    }

    /** The change of the whole weight where it does not depend on that: [out, in]. */
    private Tensor delta(DType dtype) {
        long in = base().wholeInFeatures();
        long shards = (in + rank - 1) / rank;
        Tensor shard = shard(dtype).t(); // [out, r]
        return shard.unsqueeze(1)
                .expand(shard.size(0), shards, rank)
                .reshape(shard.size(0), shards * rank)
                .narrow(1, 0, in);
    }

    @Override
    protected @Nullable String insteadOfSlices() {
        return null;
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("miss_block"), block);
        return parameters;
    }

    @Override
    public String toString() {
        return "MiSS";
    }
}
