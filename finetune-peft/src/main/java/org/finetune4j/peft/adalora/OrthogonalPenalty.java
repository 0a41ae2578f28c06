package org.finetune4j.peft.adalora;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** The weighted mean of {@code |A A^T - I|} and {@code |B^T B - I|} over all layers, in the Frobenius norm. */
final class OrthogonalPenalty {

    private OrthogonalPenalty() {}

    /** @return the penalty; with {@code addGradients} its gradients are added to those of A and B */
    static double of(List<AdaLoraLayer> layers, double weight, boolean addGradients) {
        if (weight == 0 || layers.isEmpty()) {
            return 0;
        }
        try (Autograd.Mode mode = addGradients ? Autograd.enabled() : Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            List<Tensor> norms = new ArrayList<>();
            for (AdaLoraLayer layer : layers) {
                Tensor a = layer.loraA().value(); // [rank, in]
                Tensor b = layer.loraB().value(); // [out, rank]
                norms.add(distance(a.matmul(a.t()), layer.loraA()));
                norms.add(distance(b.t().matmul(b), layer.loraB()));
            }
            Tensor penalty = Tensors.stack(norms, 0).mean().mul(weight);
            if (addGradients && penalty.requiresGrad()) {
                Autograd.backward(penalty);
            }
            return penalty.item();
        }
    }

    /** How far a product [rank, rank] is from the identity. */
    private static Tensor distance(Tensor product, Parameter of) {
        int rank = Math.toIntExact(product.size(0));
        float[] identity = new float[rank * rank];
        for (int i = 0; i < rank; i++) {
            identity[i * rank + i] = 1;
        }
        DType dtype = of.value().dtype();
        Tensor one = Tensors.of(identity, rank, rank).to(dtype).to(of.value().device());
        return product.sub(one).norm();
    }
}
