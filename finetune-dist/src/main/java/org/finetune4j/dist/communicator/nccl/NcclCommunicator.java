package org.finetune4j.dist.communicator.nccl;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.cuda.global.nccl;
import org.bytedeco.cuda.nccl.ncclComm;
import org.bytedeco.cuda.nccl.ncclUniqueId;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.CommunicationException;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.OrderedCommunicator;
import org.finetune4j.dist.communicator.Pending;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.DeviceMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;

/**
 * Ranks that have a GPU each. NCCL moves and reduces what all ranks have, on a stream of its own that waits for what was computed before.
 * A companion among the same ranks (processes, or threads of one) exchanges NCCL's identifier, splits, meets, says who has failed,
 * and carries messages between two ranks through the host's memory. The order of sums is NCCL's.
 */
public final class NcclCommunicator extends OrderedCommunicator {

    private static final long LOOK_NANOSECONDS = 20_000;

    private final Communicator companion;
    private final Device device;
    private final Duration timeout;
    private final NcclStream stream;
    private final ncclComm comm;

    private NcclCommunicator(
            Communicator companion, Device device, Duration timeout, NcclStream stream, ncclComm comm) {
        super(companion.rank(), companion.size(), "GPU communication of rank " + companion.rank());
        this.companion = companion;
        this.device = device;
        this.timeout = timeout;
        this.stream = stream;
        this.comm = comm;
    }

    /**
     * Joins the ranks of a companion by their GPUs; all of them call it.
     *
     * @param companion among the same ranks, closed with this one
     * @param device this rank's GPU, which no other rank has
     * @param timeout how long an operation may take before all end
     * @return this rank among the others
     * @throws UserErrorException when NCCL or CUDA's runtime is not installed
     */
    public static NcclCommunicator over(Communicator companion, Device device, Duration timeout) {
        if (device.type() != Device.Type.CUDA) {
            throw new IllegalArgumentException("NCCL on " + device);
        }
        load();
        NcclStream stream = new NcclStream(device);
        ncclComm comm = new ncclComm();
        try (ncclUniqueId id = new ncclUniqueId();
                TensorScope scope = TensorScope.open()) {
            Tensor bytes = Tensors.zeros(DType.UINT8, Device.CPU, nccl.NCCL_UNIQUE_ID_BYTES);
            if (companion.rank() == 0) {
                check("ncclGetUniqueId", nccl.ncclGetUniqueId(id));
                byte[] own = new byte[nccl.NCCL_UNIQUE_ID_BYTES];
                id.internal().get(own);
                bytes.copyInPlace(Tensors.of(own, own.length));
            }
            companion.broadcast(bytes, 0).await();
            id.internal().put(bytes.toByteArray());
            check("ncclCommInitRank", nccl.ncclCommInitRank(comm, companion.size(), id, companion.rank()));
        }
        return new NcclCommunicator(companion, device, timeout, stream, comm);
    }

    private static void load() {
        Torch.ensureLoaded(); // sets JavaCPP up: loading any binding before that brings in a second libtorch
        try {
            Loader.load(cudart.class);
            Loader.load(nccl.class);
        } catch (LinkageError e) {
            throw new UserErrorException(
                    "NCCL does not load: install NVIDIA's packages libnccl2 and cuda-cudart-12 on every host: "
                            + Reasons.of(e),
                    e);
        }
    }

    private static void check(String call, int result) {
        if (result != nccl.ncclSuccess && result != nccl.ncclInProgress) {
            throw new CommunicationException(
                    call + " failed: " + nccl.ncclGetErrorString(result).getString());
        }
    }

    /** Waits for the stream, and looks at errors of the network meanwhile. */
    private void complete(String call, int result) {
        check(call, result);
        long start = System.nanoTime();
        int[] error = new int[1];
        while (!stream.isDone()) {
            check("ncclCommGetAsyncError", nccl.ncclCommGetAsyncError(comm, error));
            check(call, error[0]);
            if (System.nanoTime() - start > timeout.toNanos()) {
                String reason = "waited " + timeout.toSeconds() + " s in " + call;
                companion.abort(reason);
                check("ncclCommAbort", nccl.ncclCommAbort(comm));
                throw new CommunicationException("rank " + rank() + " " + reason);
            }
            LockSupport.parkNanos(LOOK_NANOSECONDS);
        }
    }

    private static int type(DType dtype) {
        return switch (dtype) {
            case FLOAT32 -> nccl.ncclFloat32;
            case FLOAT64 -> nccl.ncclFloat64;
            case FLOAT16 -> nccl.ncclFloat16;
            case BFLOAT16 -> nccl.ncclBfloat16;
            case INT64 -> nccl.ncclInt64;
            case INT32 -> nccl.ncclInt32;
            case INT8 -> nccl.ncclInt8;
            case UINT8, BOOL -> nccl.ncclUint8;
            case INT16 -> throw new IllegalArgumentException("NCCL has no int16");
        };
    }

    /** Truth values are bytes of 0 and 1: one of them holds where the largest does. */
    private static int operation(DType dtype, Reduction reduction) {
        return switch (reduction) {
            case SUM -> dtype == DType.BOOL ? nccl.ncclMax : nccl.ncclSum;
            case MIN -> nccl.ncclMin;
            case MAX -> nccl.ncclMax;
        };
    }

    private static Pointer address(Tensor vector) {
        return new Address(DeviceMemory.address(vector));
    }

    private static long bytes(Tensor vector) {
        return vector.numel() * vector.dtype().itemSize();
    }

    @Override
    public boolean sharesProcess() {
        return companion.sharesProcess();
    }

    @Override
    protected void doAllReduce(Tensor vector, Reduction reduction) {
        stream.use();
        if (vector.dtype() == DType.INT16) {
            Tensor wider = vector.to(DType.INT32);
            stream.afterComputing();
            doAllReduce(wider, reduction);
            vector.copyInPlace(wider);
            DeviceMemory.synchronize(device);
            return;
        }
        Pointer data = address(vector);
        complete(
                "ncclAllReduce",
                nccl.ncclAllReduce(
                        data,
                        data,
                        vector.numel(),
                        type(vector.dtype()),
                        operation(vector.dtype(), reduction),
                        comm,
                        stream.handle()));
    }

    @Override
    protected void doReduceScatter(Tensor whole, Tensor part, Reduction reduction) {
        stream.use();
        if (whole.dtype() == DType.INT16) {
            Tensor wider = whole.to(DType.INT32);
            stream.afterComputing();
            Tensor result = Tensors.zeros(DType.INT32, device, part.numel());
            doReduceScatter(wider, result, reduction);
            part.copyInPlace(result);
            DeviceMemory.synchronize(device);
            return;
        }
        complete(
                "ncclReduceScatter",
                nccl.ncclReduceScatter(
                        address(whole),
                        address(part),
                        part.numel(),
                        type(whole.dtype()),
                        operation(whole.dtype(), reduction),
                        comm,
                        stream.handle()));
    }

    @Override
    protected void doAllGather(Tensor part, Tensor whole) {
        stream.use();
        complete(
                "ncclAllGather",
                nccl.ncclAllGather(address(part), address(whole), bytes(part), nccl.ncclUint8, comm, stream.handle()));
    }

    @Override
    protected void doBroadcast(Tensor vector, int root) {
        stream.use();
        Pointer data = address(vector);
        complete(
                "ncclBroadcast",
                nccl.ncclBroadcast(data, data, bytes(vector), nccl.ncclUint8, root, comm, stream.handle()));
    }

    @Override
    protected void doAllToAll(Tensor from, Tensor to) {
        stream.use();
        long length = from.numel() / size();
        check("ncclGroupStart", nccl.ncclGroupStart());
        for (int other = 0; other < size(); other++) {
            Tensor given = from.narrow(0, other * length, length);
            Tensor taken = to.narrow(0, other * length, length);
            check(
                    "ncclSend",
                    nccl.ncclSend(address(given), bytes(given), nccl.ncclUint8, other, comm, stream.handle()));
            check(
                    "ncclRecv",
                    nccl.ncclRecv(address(taken), bytes(taken), nccl.ncclUint8, other, comm, stream.handle()));
        }
        complete("ncclGroupEnd", nccl.ncclGroupEnd());
    }

    @Override
    protected void ready(Tensor tensor) {
        stream.afterComputing();
    }

    @Override
    protected void requireReach(String what, Tensor tensor) {
        if (!tensor.device().equals(device)) {
            throw new IllegalArgumentException(
                    what + " of " + tensor + " on " + tensor.device() + ": this rank's GPU is " + device);
        }
    }

    // ---- what the companion does ----

    @Override
    protected void doBarrier() {
        companion.barrier();
    }

    @Override
    protected Communicator doSplit(int color, int key) {
        return over(companion.split(color, key), device, timeout);
    }

    @Override
    protected void startSend(Tensor copy, int destination) {
        try (Tensor sent = copy;
                Tensor onHost = sent.to(Device.CPU)) {
            companion.send(onHost, destination).await();
        }
    }

    @Override
    protected Pending startReceive(Tensor vector, int source) {
        Tensor onHost =
                Tensors.zeros(vector.dtype(), Device.CPU, vector.numel()).unscoped();
        Pending arrival = companion.receive(onHost, source);
        return new Pending() {
            private boolean received;

            @Override
            public void await() {
                if (received) {
                    return;
                }
                received = true;
                arrival.await();
                try (Tensor target = vector;
                        Tensor message = onHost) {
                    target.copyInPlace(message);
                }
            }

            @Override
            public boolean isDone() {
                return arrival.isDone();
            }
        };
    }

    @Override
    public void abort(String reason) {
        companion.abort(reason);
    }

    @Override
    protected void leave() {
        stream.use();
        check("ncclCommDestroy", nccl.ncclCommDestroy(comm));
        stream.close();
        companion.close();
    }

    @Override
    protected boolean waitsToLeave() {
        return true;
    }

    /** Memory of the GPU, as the binding wants it. */
    private static final class Address extends Pointer {
        Address(long address) {
            this.address = address;
        }
    }
}
