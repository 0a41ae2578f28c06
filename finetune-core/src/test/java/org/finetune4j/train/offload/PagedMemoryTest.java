package org.finetune4j.train.offload;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tensors in files: little of them is in memory, nothing of them has a name, and no value is lost. */
class PagedMemoryTest {

    private static final long MEGABYTE = 1 << 20;

    @TempDir
    Path directory;

    @Test
    void noMoreThanTheAllowanceIsInMemory() throws IOException {
        List<Tensor> all = new ArrayList<>();
        try (TensorScope scope = TensorScope.open();
                PagedMemory memory = new PagedMemory(directory, 2 * MEGABYTE)) {
            for (int i = 0; i < 8; i++) {
                Tensor tensor = memory.zeros(DType.FLOAT32, MEGABYTE / Float.BYTES);
                tensor.fillInPlace(i);
                memory.touch(List.of(tensor));
                all.add(tensor);
            }
            for (int pass = 0; pass < 2; pass++) {
                for (int i = 0; i < 8; i++) {
                    memory.touch(List.of(all.get(i)));
                    assertEquals(i, all.get(i).mean().item());
                    MappedBytes mapped = MappedBytes.below(directory);
                    assertEquals(8 * MEGABYTE, mapped.bytes());
                    assertTrue(mapped.resident() <= 2 * MEGABYTE, mapped.toString());
                }
            }
            assertTrue(memory.pagedOut() > 8);
            assertNoNames();
        }
        assertEquals(0, MappedBytes.below(directory).bytes(), "it owned them");
    }

    /** What a model has stays there when the run that moved it is over. */
    @Test
    void aCopyIsItsOwners() throws IOException {
        try (TensorScope scope = TensorScope.open()) {
            Tensor values = Tensors.of(new float[] {1, 2, 3, 4}, 2, 2);
            Tensor copy;
            try (PagedMemory memory = new PagedMemory(directory.resolve("made"), 0)) {
                copy = memory.copy(values);
                memory.touch(List.of(copy, Tensors.ones(DType.FLOAT32, Device.CPU, 3)));
                assertEquals(16, memory.bytes());
            }
            assertTrue(MappedBytes.below(directory).bytes() > 0);
            assertEquals(List.of(1f, 2f, 3f, 4f), boxed(copy.toFloatArray()));
            copy.close();
        }
        assertEquals(0, MappedBytes.below(directory).bytes());
        Files.delete(directory.resolve("made")); // which is empty
        assertNoNames();
    }

    private static List<Float> boxed(float[] values) {
        List<Float> all = new ArrayList<>();
        for (float value : values) {
            all.add(value);
        }
        return all;
    }

    private void assertNoNames() throws IOException {
        try (Stream<Path> left = Files.list(directory)) {
            assertEquals(List.of(), left.toList());
        }
    }
}
