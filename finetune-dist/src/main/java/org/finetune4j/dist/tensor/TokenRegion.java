package org.finetune4j.dist.tensor;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.nn.ParallelRegion;
import org.finetune4j.nn.Portion;
import org.finetune4j.nn.SequenceDivision;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.GradientHook;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * The tokens of a sequence in equal stretches, of which the last ranks have less where they do not divide evenly, or none. What is
 * sent has the length of the first rank's stretch.
 *
 * <p>Values are exchanged where autograd does not look. What it records is where this rank's tokens lie among all; hooks exchange the
 * gradients on their way through.
 */
final class TokenRegion implements SequenceDivision, AutoCloseable {

    private final Communicator group;
    private final ParallelRegion sums;
    private final GradientHook scattering;
    private final GradientHook gathering;
    private final GradientHook sharing;
    private long tokens;

    /**
     * @param group stays the caller's
     * @param sums of the same group
     */
    TokenRegion(Communicator group, ParallelRegion sums) {
        this.group = group;
        this.sums = sums;
        this.scattering = new GradientHook(this::ownOfSum);
        this.gathering = new GradientHook(gradient -> gathered(own(gradient), gradient.size(1)));
        this.sharing = new GradientHook(gradient -> gradient.mul(1.0 / group.size()));
    }

    private long most(long all) {
        return (all + group.size() - 1) / group.size();
    }

    private long first(int rank, long all) {
        return Math.min(all, rank * most(all));
    }

    private long count(int rank, long all) {
        return first(rank + 1, all) - first(rank, all);
    }

    /** This rank's tokens, a view. */
    private Tensor own(Tensor whole) {
        long all = whole.size(1);
        return whole.narrow(1, first(group.rank(), all), count(group.rank(), all));
    }

    @Override
    public void begin(long length) {
        tokens = length;
    }

    @Override
    public Tensor take(Tensor whole) {
        // A copy, so that the rest need not be kept.
        return own(gathering.on(whole)).copy();
    }

    @Override
    public Tensor gather(Tensor own) {
        return among(own, tokens);
    }

    @Override
    public Tensor enter(Tensor own) {
        return scattering.on(among(own, tokens));
    }

    @Override
    public Tensor leave(Tensor share) {
        Tensor sum = own(gathering.on(share)).copy();
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            sum.detach().copyInPlace(scattered(share.detach()));
        }
        return sum;
    }

    @Override
    public Tensor alike(Tensor entered) {
        return sharing.on(entered);
    }

    @Override
    public Portion stream() {
        return new Portion() {
            @Override
            public long[] whole(long[] own) {
                long[] whole = own.clone();
                if (own.length == 3) {
                    whole[1] = tokens;
                }
                return whole;
            }

            @Override
            public Tensor of(Tensor whole, long[] own) {
                return own.length == 3 && own[1] != tokens ? own(whole) : whole;
            }
        };
    }

    @Override
    public ParallelRegion sums() {
        return sums;
    }

    /** All tokens, of which autograd knows where this rank's are. */
    private Tensor among(Tensor own, long all) {
        Tensor values;
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            values = scope.keep(gathered(own.detach(), all));
        }
        if (!Autograd.isEnabled() || !own.requiresGrad()) {
            return values;
        }
        long first = first(group.rank(), all);
        long end = first + own.size(1);
        return Tensors.cat(List.of(values.narrow(1, 0, first), own, values.narrow(1, end, all - end)), 1);
    }

    /** [batch, own, hidden] to [batch, all, hidden]. */
    private Tensor gathered(Tensor own, long all) {
        long batch = own.size(0);
        long hidden = own.size(2);
        long most = most(all);
        Tensor part = filled(own, most);
        Tensor parts = Tensors.zeros(own.dtype(), own.device(), group.size() * part.numel());
        group.allGather(part.view(-1), parts).await();
        Tensor byRank = parts.view(group.size(), batch, most, hidden);
        if (batch == 1) {
            return byRank.view(1, group.size() * most, hidden).narrow(1, 0, all).contiguous();
        }
        List<Tensor> inOrder = new ArrayList<>();
        for (int rank = 0; rank < group.size(); rank++) {
            inOrder.add(byRank.narrow(0, rank, 1).view(batch, most, hidden).narrow(1, 0, count(rank, all)));
        }
        return Tensors.cat(inOrder, 1);
    }

    /** [batch, all, hidden] to the sum [batch, own, hidden]. */
    private Tensor scattered(Tensor share) {
        long batch = share.size(0);
        long all = share.size(1);
        long hidden = share.size(2);
        long most = most(all);
        List<Tensor> byRank = new ArrayList<>();
        for (int rank = 0; rank < group.size(); rank++) {
            byRank.add(filled(share.narrow(1, first(rank, all), count(rank, all)), most)
                    .view(-1));
        }
        Tensor parts = Tensors.cat(byRank, 0);
        Tensor sum = Tensors.zeros(share.dtype(), share.device(), batch, most, hidden);
        group.reduceScatter(parts, sum.view(-1), Reduction.SUM).await();
        return sum.narrow(1, 0, count(group.rank(), all));
    }

    /** What a rank finds of the gradient of all tokens; only its own of the sum are used. */
    private Tensor ownOfSum(Tensor gradient) {
        Tensor result = Tensors.zeros(gradient.dtype(), gradient.device(), gradient.shape());
        own(result).copyInPlace(scattered(gradient.contiguous()));
        return result;
    }

    /** [batch, some, hidden] to [batch, most, hidden], with zeros after. */
    private static Tensor filled(Tensor part, long most) {
        if (part.size(1) == most) {
            return part.contiguous();
        }
        Tensor filled = Tensors.zeros(part.dtype(), part.device(), part.size(0), most, part.size(2));
        filled.narrow(1, 0, part.size(1)).copyInPlace(part);
        return filled;
    }

    @Override
    public void close() {
        scattering.close();
        gathering.close();
        sharing.close();
    }
}
