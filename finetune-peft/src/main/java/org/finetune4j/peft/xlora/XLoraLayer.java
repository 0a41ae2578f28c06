package org.finetune4j.peft.xlora;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.LowRankUpdate;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.TokenScales;
import org.finetune4j.peft.AdapterPart;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** {@code y = base(x) + sum over adapters i of s_i scale_i B_i A_i dropout_i(x)}, with a scaling s_i for every token. */
final class XLoraLayer implements AdapterPart, LinearExtension {

    /**
     * One adapter's change of this layer.
     *
     * @param number of the adapter among the classifier's outputs
     */
    record Expert(int number, LowRankUpdate update, double dropout) {}

    private final String path;
    private final Linear base;
    private final int place;
    private final List<Expert> experts;

    /** @param place the layer's number among all scalings of a token, 0 where all layers have the same */
    XLoraLayer(String path, Linear base, int place, List<Expert> experts) {
        this.path = path;
        this.base = base;
        this.place = place;
        this.experts = List.copyOf(experts);
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        TokenScales scales = context == null ? null : context.tokenScales();
        if (scales == null) {
            throw new IllegalStateException(
                    path + " was run without a first pass, which says what its adapters count for");
        }
        long[] shape = x.shape();
        Tensor rows = x.reshape(-1, shape[shape.length - 1]); // [batch * seq, in]
        Tensor output = linear.project(rows, context); // [batch * seq, out]
        Tensor values = scales.values();
        if (values != null) {
            Tensor own = values.select(2, place).reshape(-1, values.size(3)).to(x.dtype()); // [batch * seq, adapters]
            experts.forEach(expert -> add(expert, output, rows, own, Dropout.of(context)));
        }
        shape[shape.length - 1] = output.size(1);
        return output.view(shape); // [..., out]
    }

    private static void add(Expert expert, Tensor output, Tensor rows, Tensor scales, Dropout dropout) {
        LowRankUpdate update = expert.update;
        Tensor low = Functional.linear(
                dropout.apply(rows, expert.dropout), update.a().as(rows.dtype()), null); // [batch * seq, rank]
        Tensor scaled = low.mul(scales.narrow(1, expert.number, 1));
        output.addMatrixProductInPlace(scaled, update.b().as(rows.dtype()).t(), update.scale());
    }

    @Override
    public Collection<Parameter> parameters() {
        List<Parameter> all = new ArrayList<>();
        experts.forEach(expert -> all.addAll(List.of(expert.update.a(), expert.update.b())));
        return all;
    }

    /** The adapters have files of their own. */
    @Override
    public Map<String, Parameter> parametersByKey() {
        return Map.of();
    }

    @Override
    public void enable() {
        if (base.isDivided()) {
            throw new UserErrorException("xlora is not implemented on " + path
                    + ", of which every rank has a slice: tensor_parallel_size 1, or another method such as lora");
        }
        base.extend(this);
    }

    @Override
    public void disable() {
        base.removeExtension();
    }

    @Override
    public void merge(boolean keepTies) {
        throw XLoraClassifier.unmergeable();
    }

    @Override
    public void unmerge() {}

    @Override
    public void free() {}

    @Override
    public String toString() {
        return "X-LoRA";
    }
}
