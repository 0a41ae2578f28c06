package org.finetune4j.peft.lora;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** What the two matrices of LoRA start from. */
public enum LoraInitialization {
    /** A uniform within 1 / sqrt(in), B zero: the adapter changes nothing at first. */
    KAIMING {
        @Override
        Tensor loraA(Device device, long rank, long in) {
            return uniform(device, rank, in, in);
        }
    },
    /** A normal with the deviation 1 / rank, B zero. */
    GAUSSIAN {
        @Override
        Tensor loraA(Device device, long rank, long in) {
            return Tensors.zeros(DType.FLOAT32, device, rank, in).normalInPlace(0, 1.0 / rank);
        }
    },
    /** A and B both random: the adapter changes the model from the start, which is useful in tests only. */
    RANDOM {
        @Override
        Tensor loraA(Device device, long rank, long in) {
            return uniform(device, rank, in, in);
        }

        @Override
        Tensor loraB(Device device, long out, long rank) {
            return uniform(device, out, rank, rank);
        }
    };

    /** @return [rank, in] */
    abstract Tensor loraA(Device device, long rank, long in);

    /** @return [out, rank] */
    Tensor loraB(Device device, long out, long rank) {
        return Tensors.zeros(DType.FLOAT32, device, out, rank);
    }

    private static Tensor uniform(Device device, long rows, long columns, long fanIn) {
        double bound = 1 / Math.sqrt(fanIn);
        return Tensors.zeros(DType.FLOAT32, device, rows, columns).uniformInPlace(-bound, bound);
    }
}
