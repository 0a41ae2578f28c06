package org.finetune4j.tensor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import org.bytedeco.javacpp.Pointer;

/**
 * Passes tensors between this library and DJL without a copy: both sides see the same memory and, for a tensor that
 * requires one, the same gradient. Each side frees its own reference.
 */
public final class NDArrayBridge {

    private NDArrayBridge() {}

    /**
     * A DJL array over a tensor's memory.
     *
     * @param tensor whose memory it is
     * @param manager which owns the array
     * @return the array
     * @throws TensorException for bfloat16, which DJL's native code cannot name (it would end the JVM), and for a manager
     *     of another engine
     */
    public static NDArray toNDArray(Tensor tensor, NDManager manager) {
        if (tensor.dtype() == DType.BFLOAT16) {
            throw new TensorException("DJL has no bfloat16: convert " + tensor.describe() + " to float32 first");
        }
        if (!(manager instanceof PtNDManager torchManager)) {
            throw new TensorException(
                    "the manager is of engine " + manager.getEngine().getEngineName() + ", not PyTorch");
        }
        NativeReference copy = new NativeReference(tensor.handle());
        return new PtNDArray(torchManager, copy.disown());
    }

    /**
     * A tensor over an array's memory, which stays valid when the array is closed.
     *
     * @param array of DJL's PyTorch engine
     * @return the tensor, which belongs to the scope
     */
    public static Tensor fromNDArray(NDArray array) {
        if (!(array instanceof PtNDArray torchArray)) {
            throw new TensorException("the array is of " + array.getClass().getSimpleName() + ", not a PyTorch array");
        }
        if (array.getDataType() == DataType.STRING) {
            throw new TensorException("an array of texts is no tensor");
        }
        Torch.ensureLoaded();
        Address address = new Address(torchArray.getHandle());
        return Tensor.wrap(new org.bytedeco.pytorch.Tensor(new org.bytedeco.pytorch.Tensor((Pointer) address)));
    }

    /** A second native reference to a tensor, whose ownership can be handed over. */
    private static final class NativeReference extends org.bytedeco.pytorch.Tensor {

        NativeReference(org.bytedeco.pytorch.Tensor tensor) {
            super(tensor);
        }

        long disown() {
            long owned = address();
            // Without a deallocator JavaCPP forgets the object; DJL deletes it.
            deallocate(false);
            return owned;
        }
    }

    private static final class Address extends Pointer {

        Address(long address) {
            this.address = address;
        }
    }
}
