package org.finetune4j.model;

import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.jspecify.annotations.Nullable;

/**
 * How to load a model.
 *
 * @param device where its weights go
 * @param dtype the type they are stored in (float32, bfloat16 or float16), or null to keep the checkpoint's
 * @param head loads the backbone of whatever the checkpoint is as a classifier of sequences with these labels, whose head
 *     starts new where the checkpoint has none; null loads what the checkpoint is
 * @param compression how the weights of linear layers are compressed while they are read, or null
 * @param addedTokens tokens to add to the tokenizer, with rows for them in the model
 * @param computeDType the type to calculate in, or null for what is best on the device, see {@link Device#computeDType}
 * @param partition which share of the layers this process has, or null for all of them
 * @param productDType the type that linear layers round both factors of their products to, or null for the type to calculate in
 */
public record LoadOptions(
        Device device,
        @Nullable DType dtype,
        @Nullable ClassifierHead head,
        @Nullable WeightCompression compression,
        AddedTokens addedTokens,
        @Nullable DType computeDType,
        @Nullable ModelPartition partition,
        @Nullable DType productDType) {

    /**
     * Checks the types: a user chooses among float32, bfloat16 and float16. In float64 a model is held and calculated with
     * for checks of its mathematics, see {@link #inDoublePrecision()}.
     *
     * @param device where the weights go
     * @param dtype what weights are held in; null for the type of the checkpoint
     * @param head of a classifier; null for what the checkpoint is
     * @param compression of the weights; null for none
     * @param addedTokens more than the checkpoint has
     * @param computeDType what is calculated in; null for what suits the device
     * @param partition which share of the layers this process has, or null for all of them
     * @param productDType what linear layers round the factors of their products to; null for what is calculated in
     * @throws UserErrorException for any other type
     */
    public LoadOptions {
        if (dtype != DType.FLOAT64 || computeDType != DType.FLOAT64) {
            if (dtype != null) {
                dtype.requireForModels("dtype");
            }
            if (computeDType != null) {
                computeDType.requireForModels("the type to calculate in");
            }
            if (productDType != null) {
                productDType.requireForModels("the type of products");
            }
        }
    }

    /**
     * Loads what the checkpoint is, with nothing compressed.
     *
     * @param device where the weights go
     * @param dtype what weights are held in; null for the type of the checkpoint
     */
    public LoadOptions(Device device, @Nullable DType dtype) {
        this(device, dtype, null, null, AddedTokens.NONE, null, null, null);
    }

    /** {@return the best device of this machine, the checkpoint's dtype} */
    public static LoadOptions defaults() {
        return new LoadOptions(Device.best(), null);
    }

    /**
     * {@return the same options for another device}
     *
     * @param newDevice where the weights go
     */
    public LoadOptions withDevice(Device newDevice) {
        Objects.requireNonNull(newDevice, "newDevice");
        return new LoadOptions(newDevice, dtype, head, compression, addedTokens, computeDType, partition, productDType);
    }

    /**
     * {@return the same options with weights held in another type}
     *
     * @param newDType what weights are held in
     */
    public LoadOptions withDType(DType newDType) {
        return new LoadOptions(device, newDType, head, compression, addedTokens, computeDType, partition, productDType);
    }

    /**
     * Held and calculated with in float64, for checks of derivatives and of what merging changes.
     *
     * @return the options
     */
    public LoadOptions inDoublePrecision() {
        return new LoadOptions(
                device, DType.FLOAT64, head, compression, addedTokens, DType.FLOAT64, partition, productDType);
    }

    /**
     * As a classifier of sequences; 1 label makes it a model of one number, such as a reward.
     *
     * @param newLabels at least 1
     * @return the new options
     */
    public LoadOptions asClassifier(int newLabels) {
        return asClassifier(ClassifierHead.of(newLabels));
    }

    /**
     * As a classifier of sequences.
     *
     * @param newHead what it tells apart
     * @return the new options
     */
    public LoadOptions asClassifier(ClassifierHead newHead) {
        return new LoadOptions(device, dtype, newHead, compression, addedTokens, computeDType, partition, productDType);
    }

    /**
     * {@return the same options with other compression}
     *
     * @param newCompression of the weights; null for none
     */
    public LoadOptions withCompression(@Nullable WeightCompression newCompression) {
        return new LoadOptions(device, dtype, head, newCompression, addedTokens, computeDType, partition, productDType);
    }

    /**
     * With more tokens than the checkpoint has.
     *
     * @param newTokens what is added
     * @return the new options
     */
    public LoadOptions withAddedTokens(AddedTokens newTokens) {
        return new LoadOptions(device, dtype, head, compression, newTokens, computeDType, partition, productDType);
    }

    /**
     * Calculating in {@code newComputeDType}, whatever the weights are stored in.
     *
     * @param newComputeDType float32, bfloat16 or float16; null for what suits the device
     * @return the new options
     */
    public LoadOptions withComputeDType(@Nullable DType newComputeDType) {
        return new LoadOptions(device, dtype, head, compression, addedTokens, newComputeDType, partition, productDType);
    }

    /**
     * As one process's share of the model.
     *
     * @param newPartition which share; null for the whole
     * @return the new options
     */
    public LoadOptions withPartition(@Nullable ModelPartition newPartition) {
        return new LoadOptions(device, dtype, head, compression, addedTokens, computeDType, newPartition, productDType);
    }

    /**
     * Rounding the factors of linear layers' products, whose sums and everything else stay in the type to calculate in: what
     * PyTorch's autocast does. Processors with units for such products make twice as many of them.
     *
     * @param newProductDType bfloat16 for instance; null to round nothing
     * @return the options
     */
    public LoadOptions withProductDType(@Nullable DType newProductDType) {
        return new LoadOptions(device, dtype, head, compression, addedTokens, computeDType, partition, newProductDType);
    }
}
