package org.finetune4j.dist.communicator;

import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;

/**
 * Ranks that have a device each: what lies on it goes by one communicator, such as NCCL's, and what lies in the host's memory, counts
 * and messages, by another one. Operations of the two do not wait for each other.
 */
public final class DeviceCommunicator implements Communicator {

    private final Communicator host;
    private final Communicator onDevice;
    private final Device device;

    /**
     * Puts two communicators together, which this one closes.
     *
     * @param host for tensors that lie elsewhere
     * @param onDevice for tensors on the device, among the same ranks in the same order
     * @param device this rank's
     */
    public DeviceCommunicator(Communicator host, Communicator onDevice, Device device) {
        if (host.rank() != onDevice.rank() || host.size() != onDevice.size()) {
            throw new IllegalArgumentException("rank " + host.rank() + " of " + host.size() + " is rank "
                    + onDevice.rank() + " of " + onDevice.size() + " on " + device);
        }
        this.host = host;
        this.onDevice = onDevice;
        this.device = device;
    }

    private Communicator of(Tensor tensor) {
        return tensor.device().equals(device) ? onDevice : host;
    }

    @Override
    public int rank() {
        return host.rank();
    }

    @Override
    public int size() {
        return host.size();
    }

    @Override
    public boolean sharesProcess() {
        return host.sharesProcess();
    }

    @Override
    public Pending allReduce(Tensor tensor, Reduction reduction) {
        return of(tensor).allReduce(tensor, reduction);
    }

    @Override
    public Pending reduceScatter(Tensor whole, Tensor part, Reduction reduction) {
        return of(whole).reduceScatter(whole, part, reduction);
    }

    @Override
    public Pending allGather(Tensor part, Tensor whole) {
        return of(whole).allGather(part, whole);
    }

    @Override
    public Pending broadcast(Tensor tensor, int root) {
        return of(tensor).broadcast(tensor, root);
    }

    @Override
    public Pending allToAll(Tensor from, Tensor to) {
        return of(from).allToAll(from, to);
    }

    @Override
    public Pending send(Tensor tensor, int destination) {
        return of(tensor).send(tensor, destination);
    }

    @Override
    public Pending receive(Tensor tensor, int source) {
        return of(tensor).receive(tensor, source);
    }

    @Override
    public void barrier() {
        host.barrier();
    }

    @Override
    public Communicator split(int color, int key) {
        Communicator ofHost = host.split(color, key);
        return new DeviceCommunicator(ofHost, onDevice.split(color, key), device);
    }

    @Override
    public void abort(String reason) {
        onDevice.abort(reason);
        host.abort(reason);
    }

    @Override
    public CommunicationVolume volume() {
        CommunicationVolume first = host.volume();
        CommunicationVolume second = onDevice.volume();
        return new CommunicationVolume(
                first.operations() + second.operations(),
                first.bytesSent() + second.bytesSent(),
                first.secondsWaited() + second.secondsWaited());
    }

    @Override
    public void close() {
        try (Communicator last = host) {
            onDevice.close();
        }
    }
}
