package org.finetune4j.model;

import java.util.Arrays;
import java.util.List;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/**
 * Where a checkpoint has the values of a parameter: in a tensor of their own, or at one place of a tensor of several, which may be
 * packed in MXFP4.
 *
 * @param reader of the checkpoint
 * @param tensor the tensor's name
 * @param index the parameter's place in the tensor, or {@link #WHOLE}
 * @param isPacked whether the tensor is in MXFP4
 */
record StoredParameter(CheckpointReader reader, String tensor, int index, boolean isPacked) {

    /** The index of a parameter that is a tensor by itself. */
    static final int WHOLE = -1;

    boolean isInTensor() {
        return isPacked || reader.contains(tensor);
    }

    /** Whether it has values: there may be a tensor of fewer parameters. */
    boolean exists() {
        return isInTensor() && (index == WHOLE || index < count());
    }

    /** How many parameters the tensor has, where it has several. */
    long count() {
        return stacked()[0];
    }

    /** The tensor's shape, when it is unpacked. */
    long[] stacked() {
        return isPacked ? Mxfp4Tensor.shape(reader, tensor) : reader.shape(tensor);
    }

    /** The parameter's shape. */
    long[] shape() {
        long[] all = stacked();
        return index == WHOLE ? all : Arrays.copyOfRange(all, 1, all.length);
    }

    /** The type of what is read. */
    DType dtype() {
        return isPacked ? DType.BFLOAT16 : reader.dtype(tensor);
    }

    /** The names of the checkpoint's tensors that hold it. */
    List<String> tensors() {
        return isPacked ? Mxfp4Tensor.partsOf(tensor) : List.of(tensor);
    }

    /** Whether another parameter's values are in the same tensor. */
    boolean isOfSeveral() {
        return index != WHOLE;
    }

    /** The values: a view of the mapped file where they are not packed. */
    Tensor read() {
        if (isPacked) {
            return Mxfp4Tensor.read(reader, tensor, index);
        }
        Tensor all = reader.tensor(tensor);
        return index == WHOLE ? all : all.select(0, index);
    }

    /** Gives the memory back that reading took. */
    void release() {
        tensors().forEach(reader::release);
    }

    /** The same parameter in the checkpoint as it is opened again. */
    StoredParameter in(CheckpointReader again) {
        return new StoredParameter(again, tensor, index, isPacked);
    }

    @Override
    public String toString() {
        return index == WHOLE ? tensor : tensor + "[" + index + "]";
    }
}
