package org.finetune4j.tensor;

import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.global.torch;
import org.finetune4j.FinetuneException;
import org.jspecify.annotations.Nullable;

/**
 * Where random numbers come from: initial weights, dropout, noise. A generator has a stream for every device that numbers are
 * drawn on, all from one seed, with the numbers of PyTorch's generators of that seed.
 *
 * <p>Operations draw from the generator in use on their thread. A training has its own and uses it on the thread that it
 * runs on, so that no other training changes what it draws:
 *
 * <pre>{@code
 * try (RandomGenerator.Use use = RandomGenerator.of(42).use()) {
 *     Tensor weights = Tensors.randn(DType.FLOAT32, Device.CPU, 8, 8);
 * }
 * }</pre>
 *
 * A thread that uses none draws from one of its own, see {@link Torch#seed}. Instances are not thread-safe.
 */
public final class RandomGenerator {

    /** PyTorch's own where nobody says one. */
    private static final long DEFAULT_SEED = 67280421310721L;

    private static final ThreadLocal<RandomGenerator> CURRENT =
            ThreadLocal.withInitial(() -> new RandomGenerator(DEFAULT_SEED));

    private final Map<Device, Stream> streams = new HashMap<>();
    private long seed;
    private @Nullable RandomGenerator branch;

    private RandomGenerator(long seed) {
        this.seed = seed;
    }

    /** One device's numbers, in both forms that the bindings ask for. */
    private record Stream(Generator generator, GeneratorOptional optional) {}

    /**
     * A new generator.
     *
     * @param seed decides all its numbers
     * @return the generator, not in use yet
     */
    public static RandomGenerator of(long seed) {
        return new RandomGenerator(seed);
    }

    /**
     * The generator in use on this thread.
     *
     * @return the one that was {@link #use used} last and is still, or the thread's own
     */
    public static RandomGenerator current() {
        return CURRENT.get();
    }

    /**
     * Starts anew.
     *
     * @param newSeed decides all numbers from now on
     */
    public void restart(long newSeed) {
        seed = newSeed;
        restore(Map.of());
    }

    /** The use of a generator by one thread, which ends when closed. Uses lie within each other. */
    public static final class Use implements AutoCloseable {

        private final RandomGenerator previous = CURRENT.get();

        private Use(RandomGenerator next) {
            CURRENT.set(next);
        }

        @Override
        public void close() {
            CURRENT.set(previous);
        }
    }

    /**
     * A generator beside this one, for numbers that depend on nothing that was drawn before.
     *
     * @param ofBranch decides all its numbers
     * @return the same generator every time, which begins anew: it needs no memory of its own for every seed
     */
    public RandomGenerator branch(long ofBranch) {
        RandomGenerator known = branch;
        if (known == null) {
            known = new RandomGenerator(ofBranch);
            branch = known;
        } else {
            known.restart(ofBranch);
        }
        return known;
    }

    /**
     * Draws a number, on the CPU.
     *
     * @return a seed for another generator
     */
    public long next() {
        try (Use use = use();
                Tensor drawn = Tensors.zeros(DType.FLOAT64, Device.CPU, 1).unscoped()) {
            return Double.doubleToLongBits(drawn.uniformInPlace(0, 1).item());
        }
    }

    /**
     * Lets operations of this thread draw from this generator.
     *
     * @return ends it
     */
    public Use use() {
        return new Use(this);
    }

    /**
     * Where the generator stands on every device, to be given to {@link #restore} later.
     *
     * @return the state by the name of the device, {@code cpu} or {@code cuda:0}
     */
    public Map<String, byte[]> state() {
        stream(Device.CPU);
        Map<String, byte[]> states = new TreeMap<>();
        streams.forEach((device, stream) -> {
            try (Tensor state = Tensor.wrap(stream.generator.get_state()).unscoped()) {
                states.put(device.toString(), state.toByteArray());
            }
        });
        return states;
    }

    /**
     * Goes back to where {@link #state} was asked for. A device of which it says nothing had drawn no number yet, and what it
     * says of a device that is not here is of no use.
     *
     * @param states the state by the name of the device
     * @throws FinetuneException when one of them is no state of this libtorch
     */
    public void restore(Map<String, byte[]> states) {
        for (String name : states.keySet()) {
            if (Device.isAvailable(name)) {
                stream(Device.parse(name));
            }
        }
        streams.forEach((device, stream) -> {
            byte[] state = states.get(device.toString());
            if (state == null) {
                stream.generator.set_current_seed(seed);
                return;
            }
            try (Tensor tensor = Tensors.of(state, state.length).unscoped()) {
                stream.generator.set_state(tensor.handle());
            } catch (RuntimeException e) {
                throw new FinetuneException("not a random state of this libtorch: " + state.length + " bytes", e);
            }
        });
    }

    /** What an operation on {@code device} draws from on this thread. */
    static GeneratorOptional on(Device device) {
        return current().stream(device).optional;
    }

    private Stream stream(Device device) {
        return streams.computeIfAbsent(device, this::create);
    }

    private Stream create(Device device) {
        Torch.ensureLoaded();
        Generator generator;
        if (device.equals(Device.CPU)) {
            generator = torch.createCPUGenerator(seed);
        } else {
            // The only door to a GPU's generators that the bindings have; the copy is nobody else's.
            try (org.bytedeco.pytorch.Device nativeDevice = device.nativeDevice();
                    Generator shared = torch.globalContext().defaultGenerator(nativeDevice)) {
                generator = shared.clone();
            }
            generator.set_current_seed(seed);
        }
        return new Stream(generator, new GeneratorOptional(generator));
    }
}
