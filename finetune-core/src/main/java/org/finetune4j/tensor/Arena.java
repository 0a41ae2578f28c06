package org.finetune4j.tensor;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.bytedeco.pytorch.LongOptional;
import org.jspecify.annotations.Nullable;

/**
 * Memory for what a training step keeps and needs on its way, in large pieces that stay: a step takes from them in the order of its
 * work, and what it gives back is taken again without the system being asked for a page. The first step decides how much there
 * is; a larger one adds to it.
 *
 * <p>Regions are a stack. They may be closed in any order, but the memory of one is used again only when all above it are closed
 * too. An arena is for one thread at a time.
 *
 * <p>What a backward pass leaves behind, the gradients, grows while what the forward pass kept goes: it lies at the other ends of the
 * pieces ({@link #lasting}), and comes to no more memory than the larger of both.
 */
public final class Arena implements AutoCloseable {

    /** Numbers in a piece: a multiple of the largest page, and larger than what most tensors need. */
    private static final long PIECE = 16L << 20;

    /** Numbers that a cache line has: every tensor begins at one. */
    private static final long LINE = 16;

    private final List<Piece> pieces = new ArrayList<>();
    private final Deque<Region> regions = new ArrayDeque<>();
    private int piece;
    private long used;
    private long taken;

    /** An arena without memory. */
    public Arena() {}

    /**
     * Opens a region above those that are open.
     *
     * @return the region, from which tensors are taken until another one is opened above it
     */
    public Region open() {
        if (regions.isEmpty()) {
            pieces.forEach(Piece::forgetLasting);
        }
        Region region = new Region(piece, used);
        regions.push(region);
        return region;
    }

    /** {@return bytes that the arena holds} */
    public long bytes() {
        return pieces.stream().mapToLong(Piece::size).sum() * Float.BYTES;
    }

    /** {@return bytes of all tensors that were ever taken, for whoever counts what a step does} */
    public long taken() {
        return taken * Float.BYTES;
    }

    /** Gives the memory back to the system. */
    @Override
    public void close() {
        pieces.forEach(each -> each.memory.close());
        pieces.clear();
        regions.clear();
        piece = 0;
        used = 0;
    }

    /**
     * A tensor that outlives all regions, from memory that no open region has. Its place is taken again by the first region that is
     * opened when no other is, once nobody refers to what lies in that piece any more.
     *
     * @param shape the length of every dimension
     * @return float32, whose numbers are what was left there; it belongs to the open scope. Null where there is no room: an arena does
     *     not grow for it
     */
    public @Nullable Tensor lasting(long... shape) {
        long count = count(shape);
        for (int i = pieces.size() - 1; i >= piece; i--) {
            Piece candidate = pieces.get(i);
            long free = candidate.end() - (i == piece ? used : 0);
            if (free >= inLines(count)) {
                candidate.lasting += inLines(count);
                return candidate.at(candidate.end(), shape);
            }
        }
        return null;
    }

    private Tensor take(long[] shape) {
        long count = count(shape);
        taken += count;
        long room = inLines(count);
        while (piece < pieces.size() && used + room > pieces.get(piece).end()) {
            piece++;
            used = 0;
        }
        if (piece == pieces.size()) {
            pieces.add(new Piece(NativeAllocator.inLargePages(Math.max(PIECE, room))));
        }
        Tensor tensor = pieces.get(piece).at(used, shape).unscoped();
        used += room;
        return tensor;
    }

    private static long count(long[] shape) {
        long count = 1;
        for (long length : shape) {
            count *= length;
        }
        return count;
    }

    private static long inLines(long count) {
        return (count + LINE - 1) / LINE * LINE;
    }

    /** Memory in one piece. Regions have its beginning, what lasts its end. */
    private static final class Piece {

        private final Tensor memory;
        private long lasting;

        Piece(Tensor memory) {
            this.memory = memory;
        }

        long size() {
            return memory.numel();
        }

        /** What lies at a place, as a tensor of this shape: one call, and nothing else that refers to the memory. */
        Tensor at(long start, long[] shape) {
            long[] strides = new long[shape.length];
            long stride = 1;
            for (int i = shape.length - 1; i >= 0; i--) {
                strides[i] = stride;
                stride *= shape[i];
            }
            try (LongOptional offset = new LongOptional(start)) {
                return Tensor.wrap(memory.handle().as_strided(shape, strides, offset));
            }
        }

        /** Where what lasts begins. */
        long end() {
            return size() / LINE * LINE - lasting;
        }

        /** Takes the end back when nobody but this refers to the memory. */
        void forgetLasting() {
            if (lasting > 0 && memory.handle().storage().use_count() == 1) {
                lasting = 0;
            }
        }
    }

    /** Memory that is given back at once. */
    public final class Region implements AutoCloseable {

        private final int startPiece;
        private final long startUsed;
        private final List<Tensor> tensors = new ArrayList<>();
        private boolean closed;

        private Region(int startPiece, long startUsed) {
            this.startPiece = startPiece;
            this.startUsed = startUsed;
        }

        /**
         * A tensor whose numbers are what was left there.
         *
         * @param shape the length of every dimension
         * @return float32, which is closed with this region
         * @throws IllegalStateException when a region above this one is open, or this one is closed
         */
        public Tensor take(long... shape) {
            if (closed || regions.peek() != this) {
                throw new IllegalStateException(closed ? "arena region used after close" : "another region is above");
            }
            Tensor tensor = Arena.this.take(shape);
            tensors.add(tensor);
            return tensor;
        }

        /**
         * A tensor for a product that is only a few columns wide, as that of a low-rank matrix is. MKL takes two to four times as long
         * to write a dozen columns as to write so many rows, so that the columns are rows of its memory; oneDNN writes what lies in the
         * usual order.
         *
         * @param rows how many there are
         * @param columns a few
         * @return [rows, columns], closed with this region
         * @throws IllegalStateException when a region above this one is open, or this one is closed
         */
        public Tensor takeNarrow(long rows, long columns) {
            if (MatrixProducts.isOneDnnBetter()) {
                return take(rows, columns);
            }
            Tensor tensor = take(columns, rows).t().unscoped();
            tensors.add(tensor);
            return tensor;
        }

        /** Closes what was taken. Closing twice is fine. */
        @Override
        public void close() {
            if (closed) {
                return;
            }
            closed = true;
            tensors.forEach(Tensor::close);
            while (!regions.isEmpty() && regions.peek().closed) {
                Region top = regions.pop();
                piece = top.startPiece;
                used = top.startUsed;
            }
        }
    }
}
