package org.finetune4j.quant.optimizer;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.SmallDisk;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.offload.PagedMemory;
import org.finetune4j.train.offload.StateMemory;
import org.finetune4j.train.optimizer.ParameterGroup;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Paged states on a disk that is full, or gets full while a training runs. */
class PagedStatesOnAFullDiskTest {

    private static final long MEGABYTE = 1 << 20;

    /** Two states in 8 bits take 2 MB, in float32 8 MB. */
    private static final long WEIGHTS = MEGABYTE;

    @TempDir
    Path directory;

    private Path root;

    @BeforeEach
    void makeRoot() throws IOException {
        root = Files.createDirectory(directory.resolve("disk"));
    }

    @ParameterizedTest(name = "in 8 bits: {0}")
    @ValueSource(booleans = {true, false})
    void stepsGoOnWhenTheDiskFillsAfterTheFirst(boolean eightBit) {
        Optional<SmallDisk> mounted = SmallDisk.mount(root, 12 * MEGABYTE);
        assumeTrue(mounted.isPresent(), "this test may not mount a disk");
        try (SmallDisk disk = mounted.orElseThrow();
                TensorScope scope = TensorScope.open();
                Parameter weight = weight();
                BlockwiseAdamW optimizer = optimizer(weight, eightBit, new PagedMemory(disk.root(), 0))) {
            for (int step = 0; step < 4; step++) {
                Autograd.backward(weight.value().mul(weight.value()).sum());
                optimizer.step(1e-2);
                optimizer.clearGradients();
                if (step == 0) {
                    disk.fill();
                }
            }
            assertTrue(weight.value().detach().toFloatArray()[0] < 1);
        }
    }

    @Test
    void statesThatFindNoRoomAreOneLine() {
        Optional<SmallDisk> mounted = SmallDisk.mount(root, MEGABYTE);
        assumeTrue(mounted.isPresent(), "this test may not mount a disk");
        try (SmallDisk disk = mounted.orElseThrow();
                TensorScope scope = TensorScope.open();
                Parameter weight = weight()) {
            Autograd.backward(weight.value().mul(weight.value()).sum());
            String message = assertThrows(UserErrorException.class, () -> {
                        try (BlockwiseAdamW optimizer = optimizer(weight, true, new PagedMemory(disk.root(), 0))) {
                            optimizer.step(1e-2);
                        }
                    })
                    .getMessage();
            assertTrue(message.contains("No space left on device"), message);
        }
    }

    private static Parameter weight() {
        Parameter weight = new Parameter("weight", Tensors.ones(DType.FLOAT32, Device.CPU, WEIGHTS / 256, 256));
        weight.train(DType.FLOAT32);
        return weight;
    }

    private static BlockwiseAdamW optimizer(Parameter weight, boolean eightBit, StateMemory memory) {
        return new BlockwiseAdamW(ParameterGroup.all(List.of(weight), 0), 0.9, 0.999, 1e-8, eightBit, memory);
    }
}
