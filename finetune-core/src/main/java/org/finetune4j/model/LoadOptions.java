package org.finetune4j.model;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.jspecify.annotations.Nullable;

/**
 * How to load a model.
 *
 * @param device where its weights go
 * @param dtype the type they are stored in, or null to keep the checkpoint's
 * @param labels loads the backbone of whatever the checkpoint is as a classifier of sequences with so many labels, whose
 *     head starts new where the checkpoint has none; null loads what the checkpoint is
 */
public record LoadOptions(
        Device device, @Nullable DType dtype, @Nullable Integer labels) {

    /** Loads what the checkpoint is. */
    public LoadOptions(Device device, @Nullable DType dtype) {
        this(device, dtype, null);
    }

    /** The best device of this machine, the checkpoint's dtype. */
    public static LoadOptions defaults() {
        return new LoadOptions(Device.best(), null);
    }

    public LoadOptions withDevice(Device newDevice) {
        return new LoadOptions(newDevice, dtype, labels);
    }

    public LoadOptions withDType(DType newDType) {
        return new LoadOptions(device, newDType, labels);
    }

    /** As a classifier of sequences; 1 label makes it a model of one number, such as a reward. */
    public LoadOptions asClassifier(int newLabels) {
        return new LoadOptions(device, dtype, newLabels);
    }
}
