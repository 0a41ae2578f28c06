package org.finetune4j.generate;

import java.util.List;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.KeyValueCache.KeyValues;
import org.finetune4j.nn.Rotation;
import org.finetune4j.tensor.FloatRows;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * One new token of every row, between a layer's projections and attention: queries and keys are rotated, keys and values are kept. That is some
 * thousand numbers, for which libtorch would be asked twenty times; loops in Java take a tenth of that. They calculate what {@link
 * Rotation#apply} does, to the last digit.
 */
final class NewTokens {

    private final RowPass pass;
    private final Attention attention;
    private final int turning; // elements of a head that are rotated
    private final boolean isOneAngle;
    private final boolean interleaved;
    private final float[] cosine; // [tokens or 1, turning]
    private final float[] sine;

    /** @param rotation of their positions; null where nothing is rotated */
    NewTokens(RowPass pass, Attention attention, @Nullable Rotation rotation) {
        this.pass = pass;
        this.attention = attention;
        this.turning = rotation == null ? 0 : (int) rotation.cosine().size(-1);
        this.isOneAngle = rotation == null || rotation.cosine().size(0) == 1;
        this.interleaved = rotation != null && rotation.interleaved();
        this.cosine = rotation == null ? new float[0] : FloatRows.read(rotation.cosine());
        this.sine = rotation == null ? new float[0] : FloatRows.read(rotation.signedSine());
    }

    /** Whether a pass's tokens are such, and the layer's numbers can be read. */
    static boolean are(RowPass pass, int layer, Tensor query, Tensor keys, Tensor values) {
        return pass.hasOneTokenEach()
                && pass.parts().stream().allMatch(part -> part.block().has(layer))
                && List.of(query, keys, values).stream().allMatch(FloatRows::areReadable);
    }

    /** Rotated queries, those that share keys below each other: [tokens, kvHeads, heads / kvHeads, headDim]. */
    Tensor rotatedQueries(Tensor query) {
        float[] rotated = rotated(query, attention.heads());
        int kvHeads = attention.kvHeads();
        return FloatRows.tensor(
                rotated, pass.segments().size(), kvHeads, attention.heads() / kvHeads, attention.headDim());
    }

    /** Keeps keys, rotated, and values where their rows have them. */
    void keep(int layer, Tensor keys, Tensor values) {
        float[] rotated = rotated(keys, attention.kvHeads());
        float[] plain = FloatRows.read(values);
        int token = 0;
        for (RowPass.Part part : pass.parts()) {
            KeyValues room = part.block().layer(layer);
            try (FloatRows.Numbers keyRoom = FloatRows.numbers(room.keys());
                    FloatRows.Numbers valueRoom = FloatRows.numbers(room.values())) {
                for (RowPass.Segment segment : part.segments()) {
                    put(keyRoom, rotated, token, segment, part.block());
                    put(valueRoom, plain, token, segment, part.block());
                    token++;
                }
            }
        }
    }

    private void put(FloatRows.Numbers room, float[] vectors, int token, RowPass.Segment segment, RowBlock block) {
        int heads = attention.kvHeads();
        int size = attention.headDim();
        for (int head = 0; head < heads; head++) {
            long place = ((long) segment.row().slot * heads + head) * block.capacity() + segment.row().keys;
            room.write(place * size, vectors, (token * heads + head) * size, size);
        }
    }

    private float[] rotated(Tensor x, int heads) {
        float[] vectors = FloatRows.read(x); // [tokens, heads, headDim]
        int size = attention.headDim();
        for (int token = 0; token < pass.segments().size(); token++) {
            int angle = isOneAngle ? 0 : token * turning;
            for (int head = 0; head < heads; head++) {
                rotate(vectors, (token * heads + head) * size, angle, turning / 2);
            }
        }
        return vectors;
    }

    private void rotate(float[] vectors, int at, int angle, int half) {
        int step = interleaved ? 2 : 1;
        int apart = interleaved ? 1 : half;
        for (int i = 0; i < step * half; i += step) {
            float first = vectors[at + i];
            float second = vectors[at + apart + i];
            vectors[at + i] = first * cosine[angle + i] + second * sine[angle + i];
            vectors[at + apart + i] = second * cosine[angle + apart + i] + first * sine[angle + apart + i];
        }
    }
}
