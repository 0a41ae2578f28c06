package org.finetune4j.model;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.jspecify.annotations.Nullable;

/**
 * How to load a model.
 *
 * @param device where its weights go
 * @param dtype the type they are stored in, or null to keep the checkpoint's
 * @param compression how the weights of linear layers are compressed while they are read, or null
 */
public record LoadOptions(
        Device device, @Nullable DType dtype, @Nullable WeightCompression compression) {

    /** Nothing is compressed. */
    public LoadOptions(Device device, @Nullable DType dtype) {
        this(device, dtype, null);
    }

    /** The best device of this machine, the checkpoint's dtype. */
    public static LoadOptions defaults() {
        return new LoadOptions(Device.best(), null);
    }

    public LoadOptions withDevice(Device newDevice) {
        return new LoadOptions(newDevice, dtype, compression);
    }

    public LoadOptions withDType(DType newDType) {
        return new LoadOptions(device, newDType, compression);
    }

    public LoadOptions withCompression(@Nullable WeightCompression newCompression) {
        return new LoadOptions(device, dtype, newCompression);
    }
}
