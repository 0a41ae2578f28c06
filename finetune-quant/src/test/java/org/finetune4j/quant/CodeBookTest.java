package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.finetune4j.quant.blockwise.CodeBook;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CodeBookTest {

    static List<CodeBook> books() {
        return List.of(CodeBook.NF4, CodeBook.FP4, CodeBook.DYNAMIC_SIGNED, CodeBook.DYNAMIC_UNSIGNED);
    }

    /** At every middle and its neighbours, where a code ends, at every number itself, and at numbers of all sizes between. */
    @ParameterizedTest
    @MethodSource("books")
    void theNearestCodeIsWhatComparingWithEveryMiddleFinds(CodeBook book) {
        List<Float> points = new ArrayList<>(List.of(0f, -0f, 1f, -1f, Math.nextUp(1f), Math.nextDown(-1f)));
        for (float x : book.middles()) {
            if (Float.isFinite(x)) {
                points.addAll(List.of(x, Math.nextUp(x), Math.nextDown(x)));
            }
        }
        for (float x : book.values()) {
            points.addAll(List.of(x, Math.nextUp(x), Math.nextDown(x)));
        }
        Random random = new Random(5);
        for (int i = 0; i < 200_000; i++) {
            float x = (float) Math.pow(2, -30 * random.nextDouble());
            points.add(random.nextBoolean() ? x : -x);
        }

        for (float x : points) {
            assertEquals(byComparing(book, x), book.nearest(x), "code of " + x);
        }
    }

    private static int byComparing(CodeBook book, float x) {
        float[] middles = book.middles();
        int at = 0;
        while (x > middles[at]) {
            at++;
        }
        return book.codesInOrder()[at] & 0xff;
    }

    /** A block of zeros, one of denormal numbers, and one whose largest rounds above 1. */
    @ParameterizedTest
    @MethodSource("books")
    void blocksOfTinyNumbersHaveCodes(CodeBook book) {
        float[] zeros = {0f, -0f, 0f, 0f};
        float[] tiny = {Float.MIN_VALUE, 0f, 3 * Float.MIN_VALUE, -0f};
        byte[] codes = new byte[4];

        book.nearest(zeros, 0f, codes, 4);
        byte zero = (byte) book.nearest(0f);
        assertArrayEquals(new byte[] {zero, zero, zero, zero}, codes);

        book.nearest(tiny, 3 * Float.MIN_VALUE, codes, 4);
        assertEquals((byte) book.nearest(1f), codes[2]);
        assertEquals(zero, codes[1]);
    }
}
