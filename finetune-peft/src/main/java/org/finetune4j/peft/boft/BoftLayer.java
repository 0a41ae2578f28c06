package org.finetune4j.peft.boft;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.BlockRotations;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.RotatedInputLayer;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * {@code y = s * W R^T x} with {@code R = B_m ... B_1}, {@code B_i = P_i D_i P_i^T}: D is block-diagonal, its blocks are made of the
 * skew-symmetric part of a matrix by Cayley's formula, and P brings the even chunks of features before the odd ones, in ever larger pieces.
 */
final class BoftLayer extends RotatedInputLayer {

    private static final double STANDARD_DEVIATION = 0.1;

    private final Parameter rotations;
    private final Parameter scales;
    private final int factors;
    private final double dropout;
    private final List<Tensor> places = new ArrayList<>();
    private final List<Tensor> placesBack = new ArrayList<>();

    BoftLayer(CausalLM model, Boft config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        long in = linear.inFeatures();
        int size = config.blockSizeOf(path, in);
        this.factors = config.factors();
        this.dropout = config.dropout();
        Device device = model.device();
        long[] shape = {factors, in / size, size, size};
        this.rotations = InitialValues.parameter(
                model,
                path + ".boft_R",
                config.neutral()
                        ? InitialValues.zeros(device, shape)
                        : InitialValues.normal(device, STANDARD_DEVIATION, shape),
                trainable);
        Tensor ones = InitialValues.ones(device, linear.outFeatures(), 1);
        this.scales = InitialValues.parameter(
                model,
                path + ".boft_s",
                config.neutral()
                        ? ones
                        : ones.add(InitialValues.normal(device, STANDARD_DEVIATION, linear.outFeatures(), 1)),
                trainable);
        for (int factor = 0; factors > 1 && factor < factors; factor++) {
            long[] order = butterfly(Math.toIntExact(in), size, factor);
            long[] back = new long[order.length];
            for (int i = 0; i < order.length; i++) {
                back[(int) order[i]] = i;
            }
            places.add(Tensors.of(order, in).to(device).copy().unscoped());
            placesBack.add(Tensors.of(back, in).to(device).copy().unscoped());
        }
    }

    /** Within pieces of {@code size * 2^factor} features, the even chunks of half a block before the odd ones. */
    private static long[] butterfly(int in, int size, int factor) {
        int chunk = size / 2;
        int chunks = 2 << factor; // in a piece
        long[] order = new long[in];
        for (int i = 0; i < in; i++) {
            int piece = i / (chunk * chunks);
            int position = i / chunk % chunks;
            int from = position < chunks / 2 ? 2 * position : 2 * position - chunks + 1;
            order[i] = (long) (piece * chunks + from) * chunk + i % chunk;
        }
        return order;
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        Tensor blocks = withDropout(blocks(x.dtype()), Dropout.of(context));
        return scaled(linear.project(turned(x, blocks, false), context));
    }

    @Override
    public Tensor outputOf(Tensor output, Tensor x, SequenceContext context) {
        return scaled(output);
    }

    private Tensor scaled(Tensor output) {
        Parameter bias = base().bias();
        Tensor scale = scales.as(output.dtype()).view(-1); // [out]
        if (bias == null) {
            return output.mul(scale);
        }
        Tensor shift = bias.as(output.dtype());
        return output.sub(shift).mul(scale).add(shift);
    }

    @Override
    protected Tensor rotated(Tensor rows, boolean back) {
        return turned(rows, blocks(rows.dtype()), back);
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        return super.mergedWeight(weight).mul(scales.as(weight.dtype()));
    }

    /** [factors, blocks, size, size]. */
    private Tensor blocks(DType dtype) {
        Tensor free = rotations.as(dtype);
        long[] shape = free.shape();
        Tensor flat = free.reshape(-1, shape[2], shape[3]);
        return BlockRotations.cayley(flat.sub(flat.transpose(1, 2)).mul(0.5)).reshape(shape);
    }

    /** Some blocks of one factor do nothing. */
    private Tensor withDropout(Tensor blocks, Dropout active) {
        int count = Math.toIntExact(blocks.size(1));
        int dropped = (int) (active.probability(dropout) * count);
        if (dropped == 0) {
            return blocks;
        }
        int factor =
                (int) (InitialValues.zeros(Device.CPU, 1).uniformInPlace(0, 1).item() * factors);
        long[] drawn = Tensors.randomPermutation(count).narrow(0, 0, dropped).toLongArray();
        float[] kept = new float[factors * count];
        Arrays.fill(kept, 1);
        for (long block : drawn) {
            kept[Math.min(factor, factors - 1) * count + (int) block] = 0;
        }
        Tensor mask = Tensors.of(kept, factors, count, 1, 1).to(blocks.dtype()).to(blocks.device());
        Tensor identity = BlockRotations.identity(blocks.select(0, 0)); // [blocks, size, size]
        return identity.add(blocks.sub(identity).mul(mask));
    }

    private Tensor turned(Tensor rows, Tensor blocks, boolean back) {
        Tensor turned = rows;
        for (int i = 0; i < factors; i++) {
            int factor = back ? i : factors - 1 - i;
            Tensor own = blocks.select(0, factor); // [blocks, size, size]
            Tensor matrices = back ? own.transpose(1, 2) : own;
            if (factors == 1) {
                turned = BlockRotations.turn(turned, matrices);
            } else {
                int last = turned.dim() - 1;
                Tensor placed = turned.indexSelect(last, placesBack.get(factor));
                turned = BlockRotations.turn(placed, matrices).indexSelect(last, places.get(factor));
            }
        }
        return turned;
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("boft_R"), rotations);
        parameters.put(key("boft_s"), scales);
        return parameters;
    }

    @Override
    public void free() {
        super.free();
        places.forEach(Tensor::close);
        placesBack.forEach(Tensor::close);
    }

    @Override
    public String toString() {
        return "BOFT";
    }
}
