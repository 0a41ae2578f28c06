package org.finetune4j.tensor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which of libtorch's two libraries multiplies faster on a processor. These are rules by maker and features, from measurements on
 * processors of each kind (see docs/performance.md): a measurement at start would decide another way beside another program, and last
 * digits would change with it.
 *
 * @param description what the system says about it, as in {@code /proc/cpuinfo}; empty where it says nothing
 */
record Processor(String description) {

    private static final Logger LOG = LoggerFactory.getLogger(Processor.class);

    /**
     * AMD's first family (Zen 5) that adds and multiplies 512 bits at once: there oneDNN's products of attention are 1.5 to 2.8 times as
     * fast as MKL's, which stays at 256 bits. The one before (Zen 4) takes two turns for them, and both are as fast.
     */
    private static final int WHOLE_AVX512_FAMILY = 26;

    private static final Pattern FAMILY = Pattern.compile("cpu family\\s*: (\\d{1,4})\\b");

    /** {@return the one that this runs on} */
    static Processor current() {
        Path description = Path.of("/proc/cpuinfo");
        if (!Files.isReadable(description)) {
            return new Processor("");
        }
        try (Stream<String> lines = Files.lines(description)) {
            return new Processor(String.join("\n", lines.limit(30).toList()));
        } catch (IOException | RuntimeException e) {
            LOG.debug("cannot read {}", description, e);
            return new Processor("");
        }
    }

    /**
     * {@return whether few rows are multiplied faster with weights in oneDNN's order} On AMD's always. On Intel's with AVX-512 MKL reads
     * one row's weights a seventh faster, and eight rows' half as fast.
     */
    boolean multipliesPackedFaster() {
        return isAmd() ? has("avx2") : isIntel() && hasAvx512();
    }

    /**
     * {@return whether oneDNN multiplies large matrices faster} MKL's kernels are narrower on processors of other makers; oneDNN's for AVX2
     * are no faster than those. With AMX it would round the factors.
     */
    boolean multipliesByOneDnnFaster() {
        return isAmd() && hasAvx512() && !hasAmx();
    }

    /** {@return whether that is so for attention's many small matrices too} */
    boolean multipliesSmallOnesByOneDnnFaster() {
        return multipliesByOneDnnFaster() && family() >= WHOLE_AVX512_FAMILY;
    }

    /**
     * {@return whether bfloat16 numbers are multiplied faster than float32 ones} Intel's processors with AMX, where a virtual machine does
     * not see it, have instructions for it that take four times as long as those for float32 and do twice as much.
     */
    boolean multipliesBfloat16Faster() {
        boolean isSlow = isIntel() && has("avx512_fp16") && !hasAmx();
        return !isSlow && List.of("avx512_bf16", "amx_bf16", "bf16").stream().anyMatch(this::has);
    }

    /** {@return whether libtorch's AVX-512 kernels run} */
    boolean hasAvx512() {
        return has("avx512dq");
    }

    /** {@return the family as its maker counts, or 0} */
    int family() {
        Matcher family = FAMILY.matcher(description);
        return family.find() ? Integer.parseInt(family.group(1)) : 0;
    }

    private boolean isAmd() {
        return description.contains("AuthenticAMD");
    }

    private boolean isIntel() {
        return description.contains("GenuineIntel");
    }

    private boolean hasAmx() {
        return description.contains(" amx");
    }

    private boolean has(String feature) {
        return Pattern.compile("\\s" + feature + "(\\s|$)").matcher(description).find();
    }
}
