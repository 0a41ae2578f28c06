package org.finetune4j.train.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;

/** Memory of this process, Java and native together, and of the machine. Known on Linux only. */
public final class ProcessMemory {

    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path MACHINE = Path.of("/proc/meminfo");

    /** What a training adds to a process that has just started: compiled code, the heap, pages of libraries. */
    private static final long GROWTH = 100L << 20;

    private ProcessMemory() {}

    /** {@return the most memory that was resident at any time (VmHWM), or -1 where the system does not tell} */
    public static long peakMegabytes() {
        long kilobytes = kilobytes(STATUS, "VmHWM:");
        return kilobytes < 0 ? -1 : kilobytes / 1024;
    }

    /** {@return the bytes that are resident now (VmRSS), or -1 where the system does not tell} */
    public static long residentBytes() {
        return bytes(STATUS, "VmRSS:");
    }

    /**
     * Bytes of this process when it has loaded libtorch and no model yet, and what it grows by: what every training takes beside
     * its tensors. Call it before the model is loaded.
     *
     * @return the number of bytes
     */
    public static long afterStart() {
        Torch.ensureLoaded();
        try (TensorScope scope = TensorScope.open()) {
            // The first product starts threads and buffers.
            Tensor matrix = Tensors.ones(DType.FLOAT32, Device.CPU, 256, 256);
            matrix.mm(matrix);
        }
        long resident = residentBytes();
        return resident < 0 ? MemoryPlan.TYPICAL_PROCESS : resident + GROWTH;
    }

    /**
     * {@return the bytes that the machine could give now without swapping (MemAvailable), or -1 where the system does not
     * tell}
     */
    public static long availableBytes() {
        return bytes(MACHINE, "MemAvailable:");
    }

    private static long bytes(Path file, String key) {
        long kilobytes = kilobytes(file, key);
        return kilobytes < 0 ? -1 : kilobytes * 1024;
    }

    private static long kilobytes(Path file, String key) {
        if (!Files.isReadable(file)) {
            return -1;
        }
        try {
            return Files.readAllLines(file).stream()
                    .filter(line -> line.startsWith(key))
                    .map(line -> line.replaceAll("\\D", ""))
                    .mapToLong(Long::parseLong)
                    .findFirst()
                    .orElse(-1);
        } catch (IOException e) {
            return -1;
        }
    }
}
