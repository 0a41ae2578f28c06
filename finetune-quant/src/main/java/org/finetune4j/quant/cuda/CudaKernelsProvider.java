package org.finetune4j.quant.cuda;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.quant.kernel.DeviceKernelsProvider;
import org.finetune4j.tensor.Device;

/** Registers the kernels for NVIDIA's GPUs. The driver and the compiler are opened when a tensor on a GPU first needs them. */
public final class CudaKernelsProvider implements DeviceKernelsProvider {

    /** The system property that, when false, leaves the work on GPUs to libtorch's own operations. */
    static final String PROPERTY = "finetune4j.cuda.kernels";

    private static final Map<Device, DeviceKernels> KERNELS = new HashMap<>();

    @Override
    public Optional<DeviceKernels> kernels(Device device) {
        if (device.type() != Device.Type.CUDA || !Boolean.parseBoolean(System.getProperty(PROPERTY, "true"))) {
            return Optional.empty();
        }
        synchronized (KERNELS) {
            DeviceKernels kernels = KERNELS.get(device);
            if (kernels == null) {
                kernels = open(device);
                KERNELS.put(device, kernels);
            }
            return Optional.of(kernels);
        }
    }

    private static DeviceKernels open(Device device) {
        return Cuda.orExplain(
                device,
                "its kernels cannot run",
                "-D" + PROPERTY + "=false leaves the work to libtorch's own, slower operations",
                () -> {
                    KernelCompiler compiler = new KernelCompiler(Nvrtc.open(), KernelCompiler.defaultCache());
                    return new CudaKernels(new KernelLauncher(Cuda.context(device), compiler, device), device);
                });
    }
}
