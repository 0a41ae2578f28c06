package org.finetune4j.model.gguf;

import java.io.EOFException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** Reads the metadata and tensors of a GGUF file of version 3. */
public final class GgufFile implements AutoCloseable {

    static final int UINT32 = 4;
    static final int INT32 = 5;
    static final int FLOAT32 = 6;
    static final int BOOL = 7;
    static final int STRING = 8;
    static final int ARRAY = 9;

    /**
     * Where a tensor lies.
     *
     * @param shape in the order of PyTorch
     * @param offset from the beginning of the data
     */
    public record Entry(GgufType type, List<Long> shape, long offset) {
        /** {@return how many numbers it has} */
        public long count() {
            return shape.stream().reduce(1L, Math::multiplyExact);
        }
    }

    private final Path path;
    private final RandomAccessFile file;
    private final Map<String, GgufValue> metadata = new LinkedHashMap<>();
    private final Map<String, Entry> tensors = new LinkedHashMap<>();
    private long dataStart;

    private GgufFile(Path path, RandomAccessFile file) {
        this.path = path;
        this.file = file;
    }

    /**
     * Opens a file.
     *
     * @param path of the file
     * @return the open file
     * @throws UserErrorException when it is no GGUF file of version 3, is broken off or cannot be read
     */
    public static GgufFile open(Path path) {
        try {
            GgufFile gguf = new GgufFile(path, new RandomAccessFile(path.toFile(), "r"));
            try {
                gguf.readHeader();
                return gguf;
            } catch (IOException | RuntimeException e) {
                gguf.close();
                throw e;
            }
        } catch (EOFException e) {
            throw new UserErrorException(path + ": truncated GGUF file", e);
        } catch (ArithmeticException e) {
            throw new UserErrorException(path + ": a GGUF file with an array that no machine holds", e);
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + path + ": " + Reasons.of(e), e);
        }
    }

    /** {@return settings by key} */
    public Map<String, GgufValue> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /** {@return what the file says of its tensors, by name} */
    public Map<String, Entry> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    /**
     * {@return the bytes of a tensor as they are stored}
     *
     * @param name llama.cpp's for the tensor
     * @throws UserErrorException when there is none of this name, or the file ends before it
     */
    public ByteBuffer bytes(String name) {
        Entry entry = tensors.get(name);
        if (entry == null) {
            throw new UserErrorException(
                    path + ": no tensor '" + name + "'" + Suggestions.didYouMean(name, tensors.keySet()));
        }
        try {
            file.seek(dataStart + entry.offset);
            return read(Math.toIntExact(entry.type.bytes(entry.count())));
        } catch (ArithmeticException e) {
            throw new UserErrorException(
                    path + ": tensor '" + name + "' of shape " + entry.shape + " is larger than 2 GiB", e);
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + path + ": tensor '" + name + "': " + Reasons.of(e), e);
        }
    }

    private void readHeader() throws IOException {
        if (int32() != GgufWriter.MAGIC) {
            throw new UserErrorException(path + ": not a GGUF file");
        }
        int version = int32();
        if (version != GgufWriter.VERSION) {
            throw new UserErrorException(path + ": GGUF version " + version + ", expected " + GgufWriter.VERSION);
        }
        long tensorCount = int64();
        long valueCount = int64();
        for (long i = 0; i < valueCount; i++) {
            String key = text();
            metadata.put(key, value(int32()));
        }
        for (long i = 0; i < tensorCount; i++) {
            String name = text();
            int dimensions = int32();
            List<Long> shape = new ArrayList<>();
            for (int dimension = 0; dimension < dimensions; dimension++) {
                shape.add(0, int64());
            }
            tensors.put(name, new Entry(GgufType.ofId(int32(), path.toString()), List.copyOf(shape), int64()));
        }
        dataStart = GgufWriter.aligned(file.getFilePointer());
    }

    private GgufValue value(int type) throws IOException {
        return switch (type) {
            case UINT32, INT32 -> new GgufValue.Unsigned(int32());
            case FLOAT32 -> new GgufValue.Real(Float.intBitsToFloat(int32()));
            case BOOL -> new GgufValue.Flag(read(1).get() != 0);
            case STRING -> new GgufValue.Text(text());
            case ARRAY -> array(int32(), int64());
            default -> throw new UserErrorException(path + ": metadata of GGUF type " + type + " cannot be read");
        };
    }

    private GgufValue array(int type, long size) throws IOException {
        if (type == STRING) {
            List<String> texts = new ArrayList<>();
            for (long i = 0; i < size; i++) {
                texts.add(text());
            }
            return new GgufValue.Texts(texts);
        }
        if (type != INT32 && type != FLOAT32) {
            throw new UserErrorException(path + ": metadata arrays of GGUF type " + type + " cannot be read");
        }
        ByteBuffer data = read(Math.toIntExact(Math.multiplyExact(size, 4)));
        List<Integer> integers = new ArrayList<>();
        List<Float> reals = new ArrayList<>();
        while (data.hasRemaining()) {
            int bits = data.getInt();
            integers.add(bits);
            reals.add(Float.intBitsToFloat(bits));
        }
        return type == INT32 ? new GgufValue.Integers(integers) : new GgufValue.Reals(reals);
    }

    private ByteBuffer read(int length) throws IOException {
        if (length < 0 || length > file.length() - file.getFilePointer()) {
            throw new EOFException("the file ends before its content");
        }
        byte[] bytes = new byte[length];
        file.readFully(bytes);
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private int int32() throws IOException {
        return read(4).getInt();
    }

    private long int64() throws IOException {
        return read(8).getLong();
    }

    private String text() throws IOException {
        long length = int64();
        return new String(read((int) Math.min(Integer.MAX_VALUE, length)).array(), StandardCharsets.UTF_8);
    }

    @Override
    public void close() throws UserErrorException {
        try {
            file.close();
        } catch (IOException e) {
            throw new UserErrorException("cannot close " + path + ": " + Reasons.of(e), e);
        }
    }
}
