package org.finetune4j.dist.data;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntFunction;
import org.finetune4j.Reasons;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Pieces of data in a file of one host: the rank that needs one first makes it, the others find it. The file begins with where its
 * end is and, for every piece, where it lies; ranks change these numbers in memory that all of them have mapped.
 */
final class SharedPieces implements IntFunction<int[][]>, AutoCloseable {

    private static final VarHandle NUMBERS =
            MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

    private static final long NOBODY = 0;
    private static final long IN_WORK = -1;
    private static final long GLANCE_NANOS = 100_000;

    /** A rank that has not made its piece by then is taken for dead. */
    private static final long PATIENCE_NANOS = 30_000_000_000L;

    /** Mapped memory has at most 2^31 bytes. */
    static final int MOST = (1 << 28) - 1;

    private static final Logger LOG = LoggerFactory.getLogger(SharedPieces.class);

    private final AtomicBoolean told = new AtomicBoolean();
    private final IntFunction<int[][]> make;
    private final RandomAccessFile file;
    private final MappedByteBuffer places;

    /** @param count at most {@link #MOST} */
    SharedPieces(Path path, int count, IntFunction<int[][]> make) throws IOException {
        this.make = make;
        // A channel would be closed when a thread is interrupted that reads.
        this.file = new RandomAccessFile(path.toFile(), "rw");
        this.places = file.getChannel().map(FileChannel.MapMode.READ_WRITE, 0, (count + 1L) * Long.BYTES);
        NUMBERS.compareAndSet(places, 0, NOBODY, (long) places.capacity());
    }

    @Override
    public int[][] apply(int index) {
        int at = (index + 1) * Long.BYTES;
        long began = System.nanoTime();
        while (true) {
            long place = (long) NUMBERS.getVolatile(places, at);
            if (place > 0) {
                return read(place).orElseGet(() -> madeAlone(index, "one cannot be read from the host's file"));
            }
            if (place == NOBODY && NUMBERS.compareAndSet(places, at, NOBODY, IN_WORK)) {
                return made(index, at);
            }
            if (System.nanoTime() - began > PATIENCE_NANOS) {
                return madeAlone(index, "another rank has not made one for 30 seconds");
            }
            LockSupport.parkNanos(GLANCE_NANOS);
        }
    }

    private int[][] madeAlone(int index, String why) {
        tell(why);
        return make.apply(index);
    }

    /** What it costs is the time that sharing saves: said once. */
    private void tell(String why) {
        if (told.compareAndSet(false, true)) {
            LOG.warn("this rank makes pieces of the data by itself: {}", why);
        }
    }

    /** What cannot be made is tried by the others too: they meet the same mistake. */
    private int[][] made(int index, int at) {
        long place = NOBODY;
        try {
            int[][] piece = make.apply(index);
            place = write(piece);
            return piece;
        } finally {
            NUMBERS.setVolatile(places, at, place);
        }
    }

    /** Where the piece is, or nowhere: a full disk costs time, not the training. */
    private long write(int[][] piece) {
        int length = 1 + piece.length;
        for (int[] numbers : piece) {
            length += numbers.length;
        }
        ByteBuffer bytes = ByteBuffer.allocate((1 + length) * Integer.BYTES).order(ByteOrder.nativeOrder());
        IntBuffer all = bytes.asIntBuffer();
        all.put(length).put(piece.length);
        for (int[] numbers : piece) {
            all.put(numbers.length).put(numbers);
        }
        long place = (long) NUMBERS.getAndAdd(places, 0, (long) bytes.capacity());
        try {
            synchronized (file) {
                file.seek(place);
                file.write(bytes.array());
            }
            return place;
        } catch (IOException e) {
            tell("the host's file cannot be written: " + Reasons.of(e));
            return NOBODY;
        }
    }

    private Optional<int[][]> read(long place) {
        try {
            int length = numbers(place, 1).get();
            IntBuffer all = numbers(place + Integer.BYTES, length);
            int[][] piece = new int[all.get()][];
            for (int i = 0; i < piece.length; i++) {
                piece[i] = new int[all.get()];
                all.get(piece[i]);
            }
            return Optional.of(piece);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private IntBuffer numbers(long from, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count * Integer.BYTES).order(ByteOrder.nativeOrder());
        synchronized (file) {
            file.seek(from);
            file.readFully(bytes.array());
        }
        return bytes.asIntBuffer();
    }

    @Override
    public void close() {
        try {
            file.close();
        } catch (IOException e) {
            // It was read from only; the file has no name any more.
        }
    }
}
