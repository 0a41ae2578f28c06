package org.finetune4j.dist.zero;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.nn.ShardGatherer;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * A frozen compressed weight of which every rank keeps a part of the bytes. The whole, compressed as it was, is there between {@link
 * #lend} and {@link #release}; whoever asks for numbers at another time has all ranks gather it for that.
 */
final class PackedShard implements CompressedWeight {

    /** Where a stored tensor begins, so that it can be seen as what it is. */
    private static final long ALIGNMENT = 16;

    private final CompressedWeight form;
    private final List<Piece> pieces = new ArrayList<>();
    private final ShardGatherer gatherer;
    private final long[] shape;
    private final long length;
    private final Device device;
    private Tensor part;
    private @Nullable CompressedWeight lent;

    /**
     * A stored tensor's place among the bytes of the whole.
     *
     * @param dtype of the tensor
     * @param shape of the tensor
     * @param offset of its first byte
     * @param bytes how many it has
     */
    private record Piece(DType dtype, long[] shape, long offset, long bytes) {}

    /**
     * Keeps this rank's part.
     *
     * @param whole the same on all ranks; closed
     * @param gatherer brings the parts together
     */
    PackedShard(CompressedWeight whole, ShardGatherer gatherer) {
        this.gatherer = gatherer;
        this.shape = whole.shape();
        this.device = whole.device();
        long bytes = 0;
        for (Tensor stored : whole.storage()) {
            long size = stored.numel() * stored.dtype().itemSize();
            pieces.add(new Piece(stored.dtype(), stored.shape(), bytes, size));
            bytes += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        }
        this.length = (bytes + gatherer.ranks() - 1) / gatherer.ranks();
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor all = Tensors.zeros(DType.UINT8, device, length * gatherer.ranks());
            for (int i = 0; i < pieces.size(); i++) {
                Piece piece = pieces.get(i);
                Tensor stored = whole.storage().get(i).contiguous().view(-1).viewAs(DType.UINT8);
                all.narrow(0, piece.offset, piece.bytes).copyInPlace(stored);
            }
            part = all.narrow(0, gatherer.rank() * length, length).copy().unscoped();
            form = emptied(whole);
        }
    }

    /** What knows how to be put together again, with next to nothing in it. */
    private static CompressedWeight emptied(CompressedWeight whole) {
        List<Tensor> nothing = new ArrayList<>();
        for (Tensor stored : whole.storage()) {
            nothing.add(Tensors.zeros(stored.dtype(), stored.device(), 1));
        }
        CompressedWeight empty = whole.over(nothing);
        whole.close();
        return empty;
    }

    private CompressedWeight gathered() {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor all = Tensors.zeros(DType.UINT8, device, length * gatherer.ranks());
            gatherer.allGather(part, all);
            List<Tensor> storage = new ArrayList<>();
            for (Piece piece : pieces) {
                storage.add(all.narrow(0, piece.offset, piece.bytes)
                        .viewAs(piece.dtype)
                        .view(piece.shape));
            }
            return form.over(storage);
        }
    }

    /** Has the whole here, which all ranks gather. */
    void lend() {
        if (lent == null) {
            lent = gathered();
        }
    }

    /** Lets the whole go. */
    void release() {
        if (lent != null) {
            lent.close();
            lent = null;
        }
    }

    private <T> T with(Function<CompressedWeight, T> use) {
        CompressedWeight here = lent;
        if (here != null) {
            return use.apply(here);
        }
        try (CompressedWeight whole = gathered()) {
            return use.apply(whole);
        }
    }

    @Override
    public long[] shape() {
        return shape.clone();
    }

    @Override
    public DType dtype() {
        return form.dtype();
    }

    @Override
    public long bytes() {
        return part.numel();
    }

    @Override
    public List<Tensor> memory() {
        return List.of(part);
    }

    @Override
    public CompressedWeight movedTo(UnaryOperator<Tensor> copy) {
        Tensor moved = copy.apply(part).unscoped();
        part.close();
        part = moved;
        return this;
    }

    @Override
    public Device device() {
        return device;
    }

    @Override
    public Tensor decompress(DType dtype) {
        return with(whole -> whole.decompress(dtype));
    }

    @Override
    public void decompressInto(Tensor destination) {
        with(whole -> {
            whole.decompressInto(destination);
            return destination;
        });
    }

    @Override
    public Tensor multiply(Tensor rows) {
        return with(whole -> whole.multiply(rows));
    }

    @Override
    public CompressedWeight recompress(Tensor weight) {
        return with(whole -> whole.recompress(weight));
    }

    @Override
    public void close() {
        release();
        form.close();
        part.close();
    }
}
