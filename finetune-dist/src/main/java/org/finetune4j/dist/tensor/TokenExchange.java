package org.finetune4j.dist.tensor;

import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.nn.ExpertExchange;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.GradientHook;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** Tokens on their way between the ranks that share out the experts, by all-to-all. */
final class TokenExchange implements ExpertExchange, AutoCloseable {

    private final Communicator group;
    private final GradientHook hook;

    /** @param group stays the caller's */
    TokenExchange(Communicator group) {
        this.group = group;
        this.hook = new GradientHook(gradient -> exchanged(gradient.contiguous()));
    }

    @Override
    public int rank() {
        return group.rank();
    }

    @Override
    public int ranks() {
        return group.size();
    }

    @Override
    public long[] counts(long[] own, Device device) {
        Tensor all = Tensors.zeros(DType.INT64, device, (long) group.size() * own.length);
        group.allGather(Tensors.of(own, own.length).to(device), all).await();
        return all.toLongArray();
    }

    /** What came is put into the memory of what was sent: autograd goes on from there. */
    @Override
    public Tensor exchange(Tensor parts) {
        Tensor sent = parts.contiguous();
        Tensor memory = sent.detach();
        memory.copyInPlace(exchanged(memory));
        return hook.on(sent);
    }

    /** Part i of a rank is part of rank i, so what undoes the exchange is another one. */
    private Tensor exchanged(Tensor parts) {
        Tensor arrived = Tensors.zeros(parts.dtype(), parts.device(), parts.shape());
        group.allToAll(parts.detach(), arrived).await();
        return arrived;
    }

    @Override
    public void close() {
        hook.close();
    }
}
