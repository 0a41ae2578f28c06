package org.finetune4j.dist.zero;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** Numbers and texts between ranks. All ranks call the same methods in the same order, unless one says otherwise. */
final class GroupMessages {

    private final Communicator group;

    GroupMessages(Communicator group) {
        this.group = group;
    }

    /** The numbers of all ranks, reduced one by one. */
    double[] reduced(Reduction reduction, double... numbers) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor tensor = Tensors.of(numbers, numbers.length);
            group.allReduce(tensor, reduction).await();
            return tensor.toDoubleArray();
        }
    }

    /** On the first rank: tells the others numbers, which they ask for with {@link #of}. */
    void tell(double... numbers) {
        try (TensorScope scope = TensorScope.open()) {
            group.broadcast(Tensors.of(numbers, numbers.length), 0).await();
        }
    }

    /** The numbers of a rank on all ranks. */
    double[] of(int root, double... numbers) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor tensor = Tensors.of(numbers, numbers.length);
            group.broadcast(tensor, root).await();
            return tensor.toDoubleArray();
        }
    }

    /** The text of a rank on all ranks. */
    String of(int root, String text) {
        byte[] own = text.getBytes(StandardCharsets.UTF_8);
        int length = (int) of(root, (double) own.length)[0];
        if (length == 0) {
            return "";
        }
        try (TensorScope scope = TensorScope.open()) {
            boolean mine = group.rank() == root;
            Tensor bytes = mine ? Tensors.of(own, own.length) : Tensors.zeros(DType.UINT8, Device.CPU, length);
            group.broadcast(bytes, root).await();
            return new String(bytes.toByteArray(), StandardCharsets.UTF_8);
        }
    }

    /** The texts of all ranks on all of them, in the order of the ranks. */
    List<String> all(String text) {
        List<String> texts = new ArrayList<>();
        for (int rank = 0; rank < group.size(); rank++) {
            texts.add(of(rank, text));
        }
        return texts;
    }
}
