package org.finetune4j.model;

import java.util.List;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * Gives a language model rows for new tokens. A new row is the mean of the old ones: so the new token starts about as
 * likely as an average one, where a random row would often be likelier than every real token (Hewitt 2021).
 */
public final class VocabularyGrowth {

    private VocabularyGrowth() {}

    /** Adds rows to the embedding and, where it has a weight of its own, the output layer; never takes any away. */
    static void grow(DecoderModel network, int rows) {
        try (Autograd.Mode mode = Autograd.disabled()) {
            grow(network.inputEmbedding().weight(), rows);
            Linear output = network.outputLayer();
            if (network.pooling() != null) {
                return; // a classifier's rows are labels
            }
            if (!network.isTied()) {
                grow(output.weight(), rows);
            }
            Parameter bias = output.bias();
            if (bias != null) {
                grow(bias, rows);
            }
        }
    }

    private static void grow(Parameter parameter, int rows) {
        if (rows > parameter.size(0)) {
            parameter.replace(resized(parameter.value(), rows));
        }
    }

    /**
     * A table with so many rows: of the others the first ones, and the mean of all for new ones.
     *
     * @param table [count, ...]
     * @param rows how many it is to have
     * @return [rows, ...], a tensor of its own in the caller's scope
     */
    public static Tensor resized(Tensor table, long rows) {
        long missing = rows - table.size(0);
        try (TensorScope scope = TensorScope.open()) {
            if (missing <= 0) {
                return scope.keep(table.narrow(0, 0, rows).copy());
            }
            // In float64: the mean of 100,000 rows in half precision would be no mean.
            Tensor mean = table.to(DType.FLOAT64).mean(0, true).to(table.dtype()); // [1, hidden]
            long[] shape = table.shape();
            shape[0] = missing;
            return scope.keep(Tensors.cat(List.of(table, mean.expand(shape)), 0)); // [rows, hidden]
        }
    }
}
