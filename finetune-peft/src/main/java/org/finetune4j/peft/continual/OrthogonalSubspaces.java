package org.finetune4j.peft.continual;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * O-LoRA on one LoRA of the rank of all tasks so far: the first rows of A and columns of B are those of earlier tasks and stay
 * as they were, to the bit; the last ones learn. The penalty is {@code lambda * sum |A_old A_new^T|^2} over all layers, with the
 * gradient {@code 2 lambda A_new A_old^T A_old} on the rows that learn.
 */
final class OrthogonalSubspaces implements ParameterPenalty {

    private static final String A = "lora_A.weight";
    private static final String B = "lora_B.weight";

    private final double lambda;
    private final int frozen;
    private final Map<String, Parameter> parameters;
    private final Anchor old;

    /**
     * @param frozen rank of the earlier tasks together
     * @param old A and B of the earlier tasks, of that rank; closed with this
     * @throws UserErrorException when something else than A and B of linear layers trains
     */
    private OrthogonalSubspaces(double lambda, int frozen, Map<String, Parameter> parameters, Anchor old) {
        this.lambda = lambda;
        this.frozen = frozen;
        this.parameters = parameters;
        this.old = old;
    }

    /**
     * Puts the earlier tasks into the first rows and columns.
     *
     * @param adapter of the rank of all tasks
     * @param old A and B of the earlier tasks, by key
     * @param frozen their rank
     */
    static OrthogonalSubspaces on(Adapter adapter, Anchor old, int frozen, double lambda) {
        Map<String, Parameter> parameters = new LinkedHashMap<>(Anchor.trained(adapter));
        requireMatrices(parameters);
        OrthogonalSubspaces made = new OrthogonalSubspaces(lambda, frozen, parameters, old);
        made.afterUpdate();
        return made;
    }

    /** Nothing but A and B of linear layers can be divided among tasks. */
    static void requireMatrices(Map<String, Parameter> parameters) {
        parameters.keySet().forEach(key -> {
            if (!key.endsWith(A) && !key.endsWith(B)) {
                throw new UserErrorException("olora divides lora_A and lora_B among the tasks, and " + key
                        + " trains, too: choose linear layers alone as targets, without biases and modules_to_save");
            }
        });
    }

    /** The dimension of a parameter that ranks are counted in. */
    private static int dimension(String key) {
        return key.endsWith(A) ? 0 : 1;
    }

    private Tensor frozenPart(String key, Tensor whole) {
        return whole.narrow(dimension(key), 0, frozen);
    }

    @Override
    public double add(boolean addGradients) {
        double[] sum = {0};
        parameters.forEach((key, parameter) -> {
            try (TensorScope scope = TensorScope.open();
                    Autograd.Mode mode = Autograd.disabled()) {
                Tensor gradient = parameter.grad();
                if (addGradients && gradient != null) {
                    frozenPart(key, gradient).mulInPlace(0.0);
                }
                if (!key.endsWith(A)) {
                    return;
                }
                Tensor before = old.get(key); // [frozen, in]
                Tensor now = parameter
                        .value()
                        .detach()
                        .to(DType.FLOAT32)
                        .narrow(0, frozen, parameter.size(0) - frozen); // [rank, in]
                Tensor product = now.matmul(before.t()); // [rank, frozen]
                sum[0] += product.mul(product).sum().item();
                if (addGradients) {
                    Tensor own = Tensors.cat(
                            List.of(before.mul(0.0), product.matmul(before).mul(2 * lambda)), 0);
                    parameter.addGradient(own.to(parameter.value().dtype()));
                }
            }
        });
        return lambda * sum[0];
    }

    /** What an optimizer does to parameters without a gradient, weight decay for one, is taken back. */
    @Override
    public void afterUpdate() {
        parameters.forEach((key, parameter) -> {
            try (TensorScope scope = TensorScope.open();
                    Autograd.Mode mode = Autograd.disabled()) {
                frozenPart(key, parameter.value().detach())
                        .copyInPlace(old.get(key).to(parameter.value().dtype()));
            }
        });
    }

    @Override
    public void close() {
        old.close();
    }
}
