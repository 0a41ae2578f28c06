package org.finetune4j.tensor;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Memory for what a training step keeps and needs on its way, in large pieces that stay: a step takes from them in the order of its
 * work, and what it gives back is taken again without the system being asked for a page. The first step decides how much there
 * is; a larger one adds to it.
 *
 * <p>Regions are a stack. They may be closed in any order, but the memory of one is used again only when all above it are closed
 * too. An arena is for one thread at a time.
 */
public final class Arena implements AutoCloseable {

    /** Numbers in a piece: a multiple of the largest page, and larger than what most tensors need. */
    private static final long PIECE = 16L << 20;

    /** Numbers that a cache line has: every tensor begins at one. */
    private static final long LINE = 16;

    private final List<Tensor> pieces = new ArrayList<>();
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
        Region region = new Region(piece, used);
        regions.push(region);
        return region;
    }

    /** {@return bytes that the arena holds} */
    public long bytes() {
        return pieces.stream().mapToLong(Tensor::numel).sum() * Float.BYTES;
    }

    /** {@return bytes of all tensors that were ever taken, for whoever counts what a step does} */
    public long taken() {
        return taken * Float.BYTES;
    }

    /** Gives the memory back to the system. */
    @Override
    public void close() {
        pieces.forEach(Tensor::close);
        pieces.clear();
        regions.clear();
        piece = 0;
        used = 0;
    }

    private Tensor take(long[] shape) {
        long count = 1;
        for (long length : shape) {
            count *= length;
        }
        taken += count;
        long room = (count + LINE - 1) / LINE * LINE;
        while (piece < pieces.size() && used + room > pieces.get(piece).numel()) {
            piece++;
            used = 0;
        }
        if (piece == pieces.size()) {
            pieces.add(NativeAllocator.inLargePages(Math.max(PIECE, room)));
        }
        Tensor tensor = pieces.get(piece).narrow(0, used, count).view(shape).unscoped();
        used += room;
        return tensor;
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
