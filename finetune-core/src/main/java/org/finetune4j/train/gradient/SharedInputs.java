package org.finetune4j.train.gradient;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;

/**
 * What all layers of one pass read and a method made of its parameters. libtorch sees one layer at a time: so the layers read
 * leaves, in which their gradients add up, and these are pushed through what made them once, at the end.
 */
final class SharedInputs {

    private final List<Tensor> made = new ArrayList<>();
    private final List<Tensor> leaves = new ArrayList<>();

    /** The leaf in the place of a tensor. */
    Tensor leaf(Tensor tensor) {
        Tensor leaf = tensor.requiresGrad() ? tensor.detach().requiresGrad(true) : tensor.detach();
        made.add(tensor);
        leaves.add(leaf);
        return leaf;
    }

    /** Adds the gradients of the method's parameters to their own. */
    void backward() {
        List<Tensor> outputs = new ArrayList<>();
        List<Tensor> gradients = new ArrayList<>();
        for (int i = 0; i < leaves.size(); i++) {
            Tensor gradient = leaves.get(i).grad();
            if (gradient != null) {
                outputs.add(made.get(i));
                gradients.add(gradient);
            }
        }
        if (!outputs.isEmpty()) {
            Autograd.backward(outputs.toArray(Tensor[]::new), gradients.toArray(Tensor[]::new));
        }
    }
}
