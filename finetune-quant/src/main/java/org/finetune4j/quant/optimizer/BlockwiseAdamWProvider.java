package org.finetune4j.quant.optimizer;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.finetune4j.InputFiles;
import org.finetune4j.Services;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.quant.kernel.AdamKernel;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.offload.PagedMemory;
import org.finetune4j.train.offload.StateMemory;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ParameterGroup;

/**
 * Registers {@link BlockwiseAdamW} under bitsandbytes' names. The paged kinds take two arguments: {@code resident_mb}, how
 * much of the states may be in memory at one time, and, on a CPU, {@code directory}, where the files go (the system's
 * temporary directory unless said). On a GPU the rest is in the host's memory.
 */
abstract sealed class BlockwiseAdamWProvider implements OptimizerProvider {

    private static final String DIRECTORY = "directory";
    private static final String RESIDENT = "resident_mb";
    private static final double DEFAULT_RESIDENT_MB = 256;

    private final List<String> names;
    private final boolean eightBit;
    private final boolean paged;

    private BlockwiseAdamWProvider(List<String> names, boolean eightBit, boolean paged) {
        this.names = names;
        this.eightBit = eightBit;
        this.paged = paged;
    }

    @Override
    public final List<String> names() {
        return names;
    }

    /** A block of states in 8 bits has one scale. */
    @Override
    public final boolean isElementwise() {
        return !eightBit;
    }

    @Override
    public final Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
        options.allowArguments(paged ? Set.of(DIRECTORY, RESIDENT) : Set.of());
        Device device = check(groups);
        if (eightBit && !device.equals(Device.CPU)) {
            BlockwiseAdamW.kernelsOf(device); // what is missing is said before the first step
        }
        StateMemory memory = paged ? paged(device, options) : StateMemory.resident(device);
        return new BlockwiseAdamW(groups, options.beta1(), options.beta2(), options.epsilon(), eightBit, memory);
    }

    /** The one device of all parameters. */
    private Device check(List<ParameterGroup> groups) {
        Device device = null;
        for (ParameterGroup group : groups) {
            for (Parameter parameter : group.parameters()) {
                if (parameter.dtype() != DType.FLOAT32) {
                    throw new UserErrorException("optim " + names.get(0) + " updates float32 parameters, but '"
                            + parameter.name() + "' is " + parameter.dtype() + ": choose adamw");
                }
                if (device != null && !device.equals(parameter.device())) {
                    throw new UserErrorException("optim " + names.get(0) + " updates parameters of one device, but '"
                            + parameter.name() + "' is on " + parameter.device() + " and others are on " + device);
                }
                device = parameter.device();
            }
        }
        return device == null ? Device.CPU : device;
    }

    private static StateMemory paged(Device device, OptimizerOptions options) {
        if (device.equals(Device.CPU)) {
            return new PagedMemory(directory(options), allowance(options));
        }
        return Services.of(PagedMemoryProvider.class).stream()
                .flatMap(provider -> provider.memory(device, allowance(options)).stream())
                .findFirst()
                .orElseThrow(
                        () -> new UserErrorException("there is no paged memory for " + device + ": choose adamw_8bit"));
    }

    /** Bytes of states that may be in memory at one time. */
    private static long allowance(OptimizerOptions options) {
        double megabytes = options.number(RESIDENT, DEFAULT_RESIDENT_MB);
        if (!(megabytes > 0)) {
            throw new UserErrorException(
                    "optim_args: '" + RESIDENT + "' is " + megabytes + ", expected more than 0 megabytes");
        }
        return (long) (megabytes * (1 << 20));
    }

    private static Path directory(OptimizerOptions options) {
        return InputFiles.path(
                DIRECTORY, options.arguments().getOrDefault(DIRECTORY, System.getProperty("java.io.tmpdir")));
    }

    @Override
    public final long residentBytes(long stateBytes, OptimizerOptions options) {
        return paged ? Math.min(stateBytes, allowance(options)) : stateBytes;
    }

    @Override
    public final Optional<Path> stateDirectory(OptimizerOptions options) {
        return paged ? Optional.of(directory(options)) : Optional.empty();
    }

    @Override
    public final long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
        long floats = 2 * OptimizerProvider.floatBytes(shape);
        long count = OptimizerProvider.floatBytes(shape) / Float.BYTES;
        if (!eightBit || count < BlockwiseAdamW.SMALLEST_IN_8_BITS) {
            return floats;
        }
        long blocks = (count + AdamKernel.BLOCK_SIZE - 1) / AdamKernel.BLOCK_SIZE;
        return 2 * (count + blocks * Float.BYTES);
    }

    /** Moments in 8 bits, in memory. */
    public static final class EightBit extends BlockwiseAdamWProvider {
        public EightBit() {
            super(List.of("adamw_8bit", "adamw_bnb_8bit"), true, false);
        }
    }

    /** Moments in 8 bits, in files. */
    public static final class PagedEightBit extends BlockwiseAdamWProvider {
        public PagedEightBit() {
            super(List.of("paged_adamw_8bit"), true, true);
        }
    }

    /** Moments in float32, in files. */
    public static final class Paged extends BlockwiseAdamWProvider {
        public Paged() {
            super(List.of("paged_adamw_32bit", "paged_adamw"), false, true);
        }
    }
}
