package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProcessorTest {

    @ParameterizedTest
    @CsvSource({
        // maker, family, flags, packed, large by oneDNN, small by oneDNN, bfloat16
        "AuthenticAMD, 23, avx avx2, true, false, false, false",
        "AuthenticAMD, 25, avx2 avx512f avx512dq, true, true, false, false",
        "AuthenticAMD, 25, avx2 avx512f avx512dq avx512_bf16, true, true, false, true",
        "AuthenticAMD, 26, avx2 avx512f avx512dq avx512_bf16, true, true, true, true",
        "GenuineIntel, 6, avx2, false, false, false, false",
        "GenuineIntel, 6, avx2 avx512f avx512dq, true, false, false, false",
        "GenuineIntel, 6, avx2 avx512f avx512dq avx512_bf16, true, false, false, true",
        "GenuineIntel, 6, avx2 avx512f avx512dq avx512_bf16 avx512_fp16, true, false, false, false",
        "GenuineIntel, 6, avx2 avx512f avx512dq avx512_bf16 avx512_fp16 amx_bf16 amx_tile, true, false, false, true",
        "ARM, 8, asimd bf16, false, false, false, true"
    })
    void rulesByMakerAndFeatures(
            String maker, int family, String flags, boolean packed, boolean large, boolean small, boolean bfloat16) {
        Processor processor = new Processor(
                "vendor_id\t: %s\ncpu family\t: %d\nmodel\t\t: 1\nflags\t\t: fpu %s".formatted(maker, family, flags));
        assertEquals(packed, processor.multipliesPackedFaster());
        assertEquals(large, processor.multipliesByOneDnnFaster());
        assertEquals(small, processor.multipliesSmallOnesByOneDnnFaster());
        assertEquals(bfloat16, processor.multipliesBfloat16Faster());
        assertEquals(family, processor.family());
    }

    @Test
    void whereTheSystemSaysNothingNothingIsFaster() {
        Processor unknown = new Processor("");
        assertEquals(0, unknown.family());
        assertEquals(false, unknown.multipliesPackedFaster());
        assertEquals(false, unknown.multipliesByOneDnnFaster());
        assertEquals(false, unknown.multipliesBfloat16Faster());
    }

    @Test
    void theOneThatThisRunsOnIsDescribed() throws Exception {
        Path description = Path.of("/proc/cpuinfo");
        boolean isThere = Files.isReadable(description)
                && Files.readString(description, StandardCharsets.UTF_8).contains("processor");
        assertEquals(isThere, !Processor.current().description().isEmpty());
    }
}
