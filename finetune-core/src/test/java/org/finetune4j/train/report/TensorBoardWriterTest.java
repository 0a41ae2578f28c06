package org.finetune4j.train.report;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TensorBoardWriterTest {

    private static final Clock CLOCK = Clock.fixed(Instant.ofEpochMilli(1_700_000_000_250L), ZoneOffset.UTC);

    @Test
    void theReadersCrcHasTheKnownValues() {
        assertEquals(0xE3069283, EventFile.crc32c("123456789".getBytes(US_ASCII)));
        // RFC 3720, appendix B.4
        assertEquals(0x8A9136AA, EventFile.crc32c(new byte[32]));
        assertEquals(0x62A8AB43, EventFile.crc32c(HexFormat.of().parseHex("ff".repeat(32))));
    }

    @Property(tries = 200)
    void theWritersMaskedCrcIsTheReaders(@ForAll byte[] data) {
        assertEquals(EventFile.maskedCrc32c(data), TfRecord.maskedCrc(data, data.length));
    }

    @Test
    void protobufFieldsHaveTheSpecifiedBytes() {
        // The examples of the encoding page: 150, "testing", and a nested message.
        assertHex("089601", new ProtobufMessage().integer(1, 150));
        assertHex("120774657374696e67", new ProtobufMessage().string(2, "testing"));
        assertHex("1a03089601", new ProtobufMessage().message(3, new ProtobufMessage().integer(1, 150)));
        assertHex("08feffffffffffffffff01", new ProtobufMessage().integer(1, -2));
        assertHex("09000000000000f03f", new ProtobufMessage().fixed64(1, 1.0));
        assertHex("150000803f", new ProtobufMessage().fixed32(2, 1.0f));
    }

    @Test
    void theFileStartsWithItsVersionAndItsNameWithTheSecond(@TempDir Path directory) {
        Path file;
        try (TensorBoardWriter writer = TensorBoardWriter.open(directory.resolve("new/folder"), CLOCK)) {
            file = writer.file();
        }

        List<EventFile.Event> events = EventFile.read(file);
        assertEquals("brain.Event:2", events.get(0).fileVersion());
        assertEquals(1_700_000_000.25, events.get(0).wallTime());
        String name = String.valueOf(file.getFileName());
        assertTrue(name.matches("events\\.out\\.tfevents\\.1700000000\\.[A-Za-z0-9.-]+\\.\\d+\\.\\d+"), name);
    }

    @Test
    void whatIsWrittenCanBeReadBeforeTheFileIsClosed(@TempDir Path directory) {
        try (TensorBoardWriter writer = TensorBoardWriter.open(directory, CLOCK)) {
            writer.scalars(3_000_000_000L, Map.of("train/loss", 1.5));
            writer.scalars(4, Map.of("train/loss", Double.NaN, "train/grad_norm", Double.POSITIVE_INFINITY));
            writer.text(5, "configuration", "| α | β |");
            writer.sessionStart(6);

            List<EventFile.Event> events = EventFile.read(writer.file());
            assertEquals(Map.of("train/loss", 1.5f), events.get(1).scalars());
            assertEquals(3_000_000_000L, events.get(1).step());
            assertEquals(
                    Map.of("train/loss", Float.NaN, "train/grad_norm", Float.POSITIVE_INFINITY),
                    events.get(2).scalars());
            assertEquals(Map.of("configuration", "| α | β |"), events.get(3).texts());
            assertEquals(1, events.get(4).sessionStatus());
            assertEquals(6, events.get(4).step());
            assertEquals(5, events.size());
        }
    }

    @Test
    void twoWritersOfTheSameSecondHaveFilesOfTheirOwn(@TempDir Path directory) {
        try (TensorBoardWriter one = TensorBoardWriter.open(directory, CLOCK);
                TensorBoardWriter two = TensorBoardWriter.open(directory, CLOCK)) {
            assertNotEquals(one.file(), two.file());
        }
    }

    @Test
    void aDirectoryThatCannotBeMadeIsAUserErrorThatNamesIt(@TempDir Path directory) throws IOException {
        Path file = Files.createFile(directory.resolve("taken"));

        UserErrorException e = assertThrows(UserErrorException.class, () -> TensorBoardWriter.open(file));

        assertTrue(e.getMessage().contains("taken"), e.getMessage());
    }

    private static void assertHex(String expected, ProtobufMessage message) {
        assertArrayEquals(HexFormat.of().parseHex(expected), message.toByteArray());
    }
}
