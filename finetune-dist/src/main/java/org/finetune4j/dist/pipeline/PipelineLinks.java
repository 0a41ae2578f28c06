package org.finetune4j.dist.pipeline;

import java.util.Arrays;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * What the stages of a pipeline send each other: hidden states to the next one, gradients to the one before. Each way has a group of
 * its own, in which messages come in the order in which the schedules of both ranks have them. A message says its shape, so that
 * batches may have any lengths; behind it go the sums of routers where the model has an extra loss.
 */
final class PipelineLinks implements AutoCloseable {

    private static final int HEADER = 5;

    /**
     * What came.
     *
     * @param tensor [batch, seq, hidden], or null where the loss does not depend on it
     * @param numbers of routers, or none
     */
    record Message(@Nullable Tensor tensor, double[] numbers) {}

    private final Communicator forward;
    private final Communicator backward;
    private final Device device;
    private final DType dtype;
    private long waited;

    /**
     * All ranks of the pipeline make theirs.
     *
     * @param pipeline the ranks, in the order of the stages
     * @param device where the model is
     * @param dtype that it calculates in
     */
    PipelineLinks(Communicator pipeline, Device device, DType dtype) {
        this.forward = pipeline.split(0, pipeline.rank());
        this.backward = pipeline.split(0, pipeline.rank());
        this.device = device;
        this.dtype = dtype;
    }

    /** The number of this rank in the pipeline. */
    int rank() {
        return forward.rank();
    }

    /** The nanoseconds that this rank has waited for messages so far. */
    long waited() {
        return waited;
    }

    /** Sends hidden states to the next stage; a send takes a copy and waits for nobody. */
    void sendForward(Tensor hidden, double[] routed) {
        send(forward, (forward.rank() + 1) % forward.size(), hidden, routed);
    }

    /** @param numbers how many of routers come with it */
    Message receiveForward(int numbers) {
        return receive(forward, Math.floorMod(forward.rank() - 1, forward.size()), numbers);
    }

    /** @param gradient null where there is none */
    void sendBackward(@Nullable Tensor gradient, double[] routed) {
        send(backward, Math.floorMod(backward.rank() - 1, backward.size()), gradient, routed);
    }

    /** @param numbers how many of routers come with it */
    Message receiveBackward(int numbers) {
        return receive(backward, (backward.rank() + 1) % backward.size(), numbers);
    }

    private void send(Communicator group, int to, @Nullable Tensor tensor, double[] routed) {
        long[] header = new long[HEADER];
        if (tensor != null) {
            long[] shape = tensor.shape();
            header[0] = shape.length;
            System.arraycopy(shape, 0, header, 1, shape.length);
        }
        group.send(Tensors.of(header, HEADER).to(device), to).await();
        if (tensor != null) {
            group.send(tensor.to(dtype).contiguous(), to).await();
        }
        if (routed.length > 0) {
            group.send(Tensors.of(routed, routed.length).to(device), to).await();
        }
    }

    private Message receive(Communicator group, int from, int count) {
        long started = System.nanoTime();
        Tensor header = Tensors.zeros(DType.INT64, device, HEADER);
        group.receive(header, from).await();
        long[] values = header.toLongArray();
        header.close();
        Tensor tensor = null;
        if (values[0] > 0) {
            long[] shape = Arrays.copyOfRange(values, 1, 1 + (int) values[0]);
            tensor = Tensors.zeros(dtype, device, shape);
            group.receive(tensor, from).await();
        }
        double[] routed = new double[count];
        if (count > 0) {
            Tensor numbers = Tensors.zeros(DType.FLOAT64, device, count);
            group.receive(numbers, from).await();
            routed = numbers.toDoubleArray();
            numbers.close();
        }
        waited += System.nanoTime() - started;
        return new Message(tensor, routed);
    }

    @Override
    public void close() {
        backward.close();
        forward.close();
    }
}
