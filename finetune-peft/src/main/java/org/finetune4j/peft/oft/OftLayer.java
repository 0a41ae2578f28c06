package org.finetune4j.peft.oft;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.BlockRotations;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.RotatedInputLayer;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * {@code y = W R^T x} with R in blocks along its diagonal, each made of a skew-symmetric matrix Q by Cayley's formula
 * {@code (I - Q) (I + Q)^-1}, or by the first terms of the sum {@code I + 2 Q + 2 Q^2 + ...} (of -Q), the last one once.
 */
final class OftLayer extends RotatedInputLayer {

    private static final double STANDARD_DEVIATION = 0.1;

    private final Oft config;
    private final Parameter elements;
    private final long blockSize;

    OftLayer(CausalLM model, Oft config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        this.config = config;
        this.blockSize = config.blockSizeOf(linear.inFeatures());
        long blocks = config.shared() ? 1 : linear.inFeatures() / blockSize;
        long above = blockSize * (blockSize - 1) / 2; // elements above the diagonal
        Device device = model.device();
        this.elements = InitialValues.parameter(
                model,
                path + ".oft_R.weight",
                config.neutral()
                        ? InitialValues.zeros(device, blocks, above)
                        : InitialValues.normal(device, STANDARD_DEVIATION, blocks, above),
                trainable);
    }

    @Override
    protected Tensor rotated(Tensor rows, boolean back) {
        DType dtype = rows.dtype();
        Tensor rotation = rotation(elements.as(dtype)); // [blocks, size, size]
        if (back) {
            rotation = rotation.transpose(1, 2);
        }
        return BlockRotations.turn(rows, rotation);
    }

    private Tensor rotation(Tensor above) {
        Tensor q = skewSymmetric(above);
        if (!config.neumann()) {
            return BlockRotations.cayley(q);
        }
        Tensor identity = BlockRotations.identity(q);
        int terms = config.neumannTerms();
        if (terms == 1) {
            return identity.add(q.mul(0));
        }
        Tensor sum = identity.addScaled(q, 2);
        if (terms > 2) {
            Tensor power = q.matmul(q);
            sum = sum.addScaled(power, 2);
            for (int i = 3; i < terms - 1; i++) {
                power = power.matmul(q);
                sum = sum.addScaled(power, 2);
            }
            sum = sum.add(power.matmul(q));
        }
        return sum;
    }

    /** [blocks, size, size] of the elements above the diagonal, row by row. */
    private Tensor skewSymmetric(Tensor above) {
        long blocks = above.size(0);
        Tensor padded = Tensors.cat(
                List.of(Tensors.zeros(above.dtype(), above.device(), blocks, 1), above), 1); // [blocks, 1 + above]
        int size = (int) blockSize;
        long[] index = new long[size * size];
        int next = 1;
        for (int row = 0; row < size; row++) {
            for (int column = row + 1; column < size; column++) {
                index[row * size + column] = next++;
            }
        }
        Tensor upper = padded.indexSelect(1, Tensors.of(index, index.length).to(above.device()))
                .reshape(blocks, blockSize, blockSize);
        return upper.sub(upper.transpose(1, 2));
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("oft_R.weight"), elements);
        return parameters;
    }

    @Override
    public String toString() {
        return "OFT";
    }
}
