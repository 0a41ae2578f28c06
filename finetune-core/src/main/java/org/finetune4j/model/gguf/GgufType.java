package org.finetune4j.model.gguf;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** How numbers are stored in a GGUF file. */
public enum GgufType {
    /** Single precision. */
    F32(0, 0, 1, 4),
    /** Half precision. */
    F16(1, 1, 1, 2),
    /** The upper half of a float32. */
    BF16(30, 32, 1, 2),
    /** Blocks of 32 numbers: a float16 scale and 32 bytes. */
    Q8_0(8, 7, 32, 34);

    private final int id;
    private final int fileType;
    private final int blockSize;
    private final int blockBytes;

    GgufType(int id, int fileType, int blockSize, int blockBytes) {
        this.id = id;
        this.fileType = fileType;
        this.blockSize = blockSize;
        this.blockBytes = blockBytes;
    }

    /**
     * The type of this name, in any case.
     *
     * @param name such as {@code q8_0}
     * @return the type
     * @throws UserErrorException for another one
     */
    public static GgufType parse(String name) {
        List<String> names = Arrays.stream(values())
                .map(type -> type.name().toLowerCase(Locale.ROOT))
                .toList();
        int index = names.indexOf(name.toLowerCase(Locale.ROOT));
        if (index < 0) {
            throw new UserErrorException("GGUF type '" + name + "' is not implemented, expected one of "
                    + String.join(", ", names) + Suggestions.didYouMean(name, names));
        }
        return values()[index];
    }

    static GgufType ofId(long id, String origin) {
        return Arrays.stream(values())
                .filter(type -> type.id == id)
                .findFirst()
                .orElseThrow(() -> new UserErrorException(origin + ": tensors of GGUF type " + id + " cannot be read"));
    }

    /** The number of the type in a tensor's entry. */
    int id() {
        return id;
    }

    /** {@code general.file_type} of a file whose matrices have this type. */
    int fileType() {
        return fileType;
    }

    /** How many numbers are stored together: rows must be a multiple of this long. */
    int blockSize() {
        return blockSize;
    }

    long bytes(long count) {
        return Math.multiplyExact(count / blockSize, blockBytes);
    }
}
