package org.finetune4j.peft.hra;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.RotatedInputLayer;
import org.finetune4j.tensor.Tensor;

/**
 * {@code y = W H_1 ... H_r x} with reflections {@code H_i = I - 2 u_i u_i^T} by unit vectors u. Every reflection costs two passes over
 * the input, so that the matrix [in, in] is never made.
 */
final class HraLayer extends RotatedInputLayer {

    private final Parameter u;
    private final int rank;
    private final boolean orthogonal;

    HraLayer(CausalLM model, Hra config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        this.rank = config.rank();
        this.orthogonal = config.orthogonal();
        // Of a pair nothing is left to make orthogonal but rounding, or nothing at all: a vector without a direction.
        boolean pairs = config.neutral() && rank % 2 == 0 && !config.orthogonal();
        Tensor initial =
                InitialValues.kaimingUniform(model.device(), linear.inFeatures(), pairs ? rank / 2 : rank); // [in, r]
        this.u = InitialValues.parameter(
                model, path + ".hra_u", pairs ? initial.repeatInterleave(2, 1) : initial, trainable);
    }

    @Override
    protected Tensor rotated(Tensor rows, boolean back) {
        List<Tensor> vectors = vectors(u.as(rows.dtype()));
        Tensor turned = rows;
        for (int i = 0; i < rank; i++) {
            // The product is applied from its end; that of reflections by orthogonal vectors does not depend on the
            // order.
            Tensor vector = vectors.get(back ? i : rank - 1 - i); // [in, 1]
            turned = turned.sub(turned.matmul(vector).mul(2).matmul(vector.t()));
        }
        return turned;
    }

    private List<Tensor> vectors(Tensor columns) {
        List<Tensor> vectors = new ArrayList<>();
        for (int i = 0; i < rank; i++) {
            Tensor vector = columns.narrow(1, i, 1); // [in, 1]
            if (orthogonal) {
                for (Tensor before : vectors) {
                    vector = vector.sub(before.matmul(before.t().matmul(vector)));
                }
            }
            vectors.add(vector.div(vector.square().sum().sqrt()));
        }
        return vectors;
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("hra_u"), u);
        return parameters;
    }

    @Override
    public String toString() {
        return "HRA";
    }
}
