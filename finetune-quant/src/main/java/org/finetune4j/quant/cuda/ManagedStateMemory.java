package org.finetune4j.quant.cuda;

import java.util.IdentityHashMap;
import java.util.List;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.DeviceMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.offload.BlockStore;
import org.finetune4j.train.offload.MemoryScheduler;
import org.finetune4j.train.offload.NextUse;
import org.finetune4j.train.offload.StateMemory;

/**
 * States in memory that CUDA moves between the GPU and the host, page by page, as either touches it. What the next updates
 * need is moved to the GPU before, and the rest to the host, so that the states never take more of the GPU's memory than
 * they may.
 */
final class ManagedStateMemory implements StateMemory {

    /** States that are moved ahead: those of one parameter. */
    private static final int AHEAD = 4;

    private static final long DEFAULT_STREAM = 0;

    private final CudaContext context;
    private final Device device;
    private final boolean canPrefetch;
    private final IdentityHashMap<Tensor, Long> addresses = new IdentityHashMap<>();
    private final MemoryScheduler<Tensor> scheduler;

    /**
     * Makes a memory.
     *
     * @param context of the GPU
     * @param device of the tensors
     * @param allowance most bytes of states in the GPU's memory; what is free there now is the limit in any case
     */
    ManagedStateMemory(CudaContext context, Device device, long allowance) {
        this.context = context;
        this.device = device;
        this.canPrefetch = context.call(driver -> driver.canPrefetch(context.index()));
        long free = context.call(CudaDriver::freeMemory);
        this.scheduler = new MemoryScheduler<>(new Pages(), new NextUse<>(), Math.min(allowance, free), AHEAD);
    }

    @Override
    public Tensor zeros(DType dtype, long... shape) {
        long bytes = dtype.itemSize();
        for (long length : shape) {
            bytes = Math.multiplyExact(bytes, length);
        }
        long size = Math.max(1, bytes);
        long address = context.call(driver -> driver.allocateManaged(size));
        try (TensorScope scope = TensorScope.open()) {
            Tensor state = DeviceMemory.tensorAt(address, dtype, device, shape).unscoped();
            addresses.put(state, address);
            state.zeroInPlace();
            return state;
        }
    }

    @Override
    public void touch(List<Tensor> tensors) {
        scheduler.use(tensors.stream().filter(addresses::containsKey).toList());
    }

    /** How often states were moved to the host so far. */
    long movedOut() {
        return scheduler.movedOut();
    }

    /** Near is the GPU, far is the host. */
    private final class Pages implements BlockStore<Tensor> {

        @Override
        public long bytes(Tensor state) {
            return state.numel() * state.dtype().itemSize();
        }

        @Override
        public void bringIn(Tensor state) {
            move(state, context.index());
        }

        @Override
        public void moveOut(Tensor state) {
            move(state, CudaDriver.HOST);
        }

        private void move(Tensor state, int place) {
            Long address = addresses.get(state);
            // Where nothing can be moved ahead, the driver moves pages as they are touched.
            if (canPrefetch && address != null && state.numel() > 0) {
                context.run(driver -> driver.prefetch(address, bytes(state), place, DEFAULT_STREAM));
            }
        }
    }

    @Override
    public void close() {
        DeviceMemory.synchronize(device);
        context.run(driver -> driver.synchronize(DEFAULT_STREAM));
        addresses.forEach((state, address) -> {
            state.close();
            context.run(driver -> driver.free(address));
        });
        addresses.clear();
    }
}
