package org.finetune4j.dist.communicator.nccl;

import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.finetune4j.dist.communicator.CommunicationException;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.DeviceMemory;

/** A stream of a GPU beside the one that computes: what is on it begins after what had been given to that one. */
final class NcclStream implements AutoCloseable {

    private final Device device;
    private final CUstream_st stream = new CUstream_st();
    private final CUevent_st computed = new CUevent_st();

    NcclStream(Device device) {
        this.device = device;
        use();
        check("cudaStreamCreate", cudart.cudaStreamCreateWithFlags(stream, cudart.cudaStreamNonBlocking));
        check("cudaEventCreate", cudart.cudaEventCreateWithFlags(computed, cudart.cudaEventDisableTiming));
    }

    CUstream_st handle() {
        return stream;
    }

    /** Makes the GPU the calling thread's. */
    void use() {
        check("cudaSetDevice", cudart.cudaSetDevice(device.index()));
    }

    /** Called by the thread that computes: what comes on this stream from now on waits for what that thread has begun. */
    void afterComputing() {
        if (DeviceMemory.currentStream(device) != 0) {
            DeviceMemory.synchronize(device); // only the default stream has a handle that CUDA knows too
            return;
        }
        use();
        check("cudaEventRecord", cudart.cudaEventRecord(computed, new CUstream_st()));
        check("cudaStreamWaitEvent", cudart.cudaStreamWaitEvent(stream, computed, 0));
    }

    /** Whether all that was given to this stream is done. */
    boolean isDone() {
        int result = cudart.cudaStreamQuery(stream);
        if (result == cudart.cudaErrorNotReady) {
            return false;
        }
        check("cudaStreamQuery", result);
        return true;
    }

    private static void check(String call, int result) {
        if (result != cudart.cudaSuccess) {
            throw new CommunicationException(
                    call + " failed: " + cudart.cudaGetErrorString(result).getString());
        }
    }

    @Override
    public void close() {
        check("cudaEventDestroy", cudart.cudaEventDestroy(computed));
        check("cudaStreamDestroy", cudart.cudaStreamDestroy(stream));
    }
}
