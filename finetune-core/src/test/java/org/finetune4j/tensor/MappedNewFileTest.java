package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A file that is mapped and written has all its blocks before the first byte is written. */
class MappedNewFileTest {

    private static final long MEGABYTE = 1 << 20;

    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(longs = {1, 4095, 4096, 3 * MEGABYTE + 17})
    void holdsWhatIsWrittenToItsMapping(long bytes) throws IOException {
        Path file = directory.resolve("states");
        try (TensorScope scope = TensorScope.open()) {
            Tensor mapping = Tensors.mappedNew(file, bytes);
            assertEquals(0, mapping.to(DType.INT64).sum().item());
            mapping.fillInPlace(7);
            assertEquals(bytes, Files.size(file));
        }
        byte[] read = Files.readAllBytes(file);
        byte[] expected = new byte[(int) bytes];
        Arrays.fill(expected, (byte) 7);
        assertArrayEquals(expected, read);
    }

    @Test
    void takesItsRoomAtOnceSoThatADiskThatFillsLaterDoesNoHarm() throws IOException {
        Optional<SmallDisk> mounted = SmallDisk.mount(Files.createDirectory(directory.resolve("disk")), 8 * MEGABYTE);
        assumeTrue(mounted.isPresent(), "this test may not mount a disk");
        try (SmallDisk disk = mounted.orElseThrow();
                TensorScope scope = TensorScope.open()) {
            Tensor mapping = Tensors.mappedNew(disk.root().resolve("states"), 5 * MEGABYTE);
            assertTrue(disk.free() <= 3 * MEGABYTE, disk.free() + " bytes are free: the file is sparse");
            disk.fill();
            mapping.fillInPlace(1);
            assertEquals(5.0 * MEGABYTE, mapping.to(DType.INT64).sum().item());
        }
    }

    @Test
    void isRefusedWithOneLineWhereTheDiskHasNoRoomAndLeavesNothing() throws IOException {
        Optional<SmallDisk> mounted = SmallDisk.mount(Files.createDirectory(directory.resolve("disk")), 2 * MEGABYTE);
        assumeTrue(mounted.isPresent(), "this test may not mount a disk");
        try (SmallDisk disk = mounted.orElseThrow()) {
            Path file = disk.root().resolve("states");
            assertRefused(file, () -> Tensors.mappedNew(file, 5 * MEGABYTE));
            assertEquals(2 * MEGABYTE, disk.free());
        }
    }

    @Test
    void isRefusedInTheSameWayWhereReservingFailsForAnotherReason() throws IOException {
        Path file = directory.resolve("states");
        assertRefused(
                file,
                () -> Tensors.mappedNew(file, MEGABYTE, (path, bytes) -> {
                    throw new IOException("No space left on device");
                }));
        try (Stream<Path> left = Files.list(directory)) {
            assertEquals(List.of(), left.toList());
        }
    }

    private static void assertRefused(Path file, Runnable action) {
        String message = assertThrows(UserErrorException.class, action::run).getMessage();
        assertTrue(message.contains(file.toString()), message);
        assertTrue(message.contains("No space left on device"), message);
        assertFalse(message.contains("\n"), message);
        assertFalse(Files.exists(file));
    }
}
