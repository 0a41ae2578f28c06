package org.finetune4j.verify;

import org.finetune4j.data.Batch;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.DType;

/** The batch that a recorded file begins with, for tests that look at more than the verifier does. */
public final class GoldenBatches {

    private GoldenBatches() {}

    /** Reads {@code input_ids}, {@code attention_mask} and {@code labels}. */
    public static Batch read(SafetensorsFile file) {
        long[] shape = file.tensor("input_ids").shape();
        int[] ids = integers(file, "input_ids");
        int[] mask = integers(file, "attention_mask");
        byte[] attention = new byte[mask.length];
        for (int i = 0; i < mask.length; i++) {
            attention[i] = (byte) mask[i];
        }
        return new Batch((int) shape[0], (int) shape[1], ids, attention, integers(file, "labels"), null);
    }

    private static int[] integers(SafetensorsFile file, String name) {
        long[] values = file.tensor(name).to(DType.INT64).toLongArray();
        int[] integers = new int[values.length];
        for (int i = 0; i < values.length; i++) {
            integers[i] = Math.toIntExact(values[i]);
        }
        return integers;
    }
}
