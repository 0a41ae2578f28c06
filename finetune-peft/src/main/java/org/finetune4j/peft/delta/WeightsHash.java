package org.finetune4j.peft.delta;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.TreeSet;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** A number that tells whether two checkpoints hold the same weights, however they are spread over files. */
public final class WeightsHash {

    private static final int BUFFER = 1 << 20;
    private static final long RELEASE_AFTER = 64L << 20;

    private WeightsHash() {}

    /**
     * {@return SHA-256, in hexadecimal, over name, dtype, shape and bytes of every tensor, in the order of the names}
     *
     * @param checkpoint read from the first to the last byte
     */
    public static String of(CheckpointReader checkpoint) {
        Hasher digest = Hashing.sha256().newHasher();
        byte[] buffer = new byte[BUFFER];
        for (String name : new TreeSet<>(checkpoint.names())) {
            String header = name + " " + checkpoint.dtype(name).safetensorsName() + " "
                    + Arrays.toString(checkpoint.shape(name)) + "\n";
            digest.putString(header, StandardCharsets.UTF_8);
            try (TensorScope scope = TensorScope.open()) {
                Tensor tensor = checkpoint.tensor(name);
                long total = tensor.numel() * tensor.dtype().itemSize();
                for (long offset = 0; offset < total; offset += buffer.length) {
                    int length = (int) Math.min(buffer.length, total - offset);
                    tensor.readBytes(offset, buffer, length);
                    digest.putBytes(buffer, 0, length);
                    if (offset % RELEASE_AFTER == 0) {
                        checkpoint.release(name);
                    }
                }
            }
            checkpoint.release(name);
        }
        return digest.hash().toString();
    }
}
