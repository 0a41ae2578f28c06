package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** However a text is cut into pieces, what comes through is the text up to the first stop string, and never more. */
class StopStringFilterTest {

    @Provide
    Arbitrary<List<String>> pieces() {
        return Arbitraries.strings().withChars('a', 'b').ofMaxLength(4).list().ofMaxSize(12);
    }

    @Provide
    Arbitrary<List<String>> stops() {
        return Arbitraries.strings()
                .withChars('a', 'b')
                .ofMinLength(1)
                .ofMaxLength(4)
                .list()
                .ofMaxSize(3);
    }

    @Property
    void theTextUpToTheFirstStopStringComesThrough(
            @ForAll("pieces") List<String> pieces, @ForAll("stops") List<String> stops) {
        StopStringFilter filter = new StopStringFilter(stops);
        StringBuilder pushed = new StringBuilder();
        StringBuilder seen = new StringBuilder();
        for (String piece : pieces) {
            if (filter.isStopped()) {
                break;
            }
            pushed.append(piece);
            seen.append(filter.push(piece));
            assertTrue(expected(pushed.toString(), stops).startsWith(seen.toString()), "no part of a stop string");
        }
        seen.append(filter.finish());
        assertEquals(expected(pushed.toString(), stops), seen.toString());
    }

    /** The text before the stop string that is there first; the one that is complete first where the reader cannot wait. */
    private static String expected(String text, List<String> stops) {
        List<Integer> ends = new ArrayList<>();
        for (String stop : stops) {
            int at = text.indexOf(stop);
            if (at >= 0) {
                ends.add(at);
            }
        }
        return ends.stream()
                .min(Integer::compare)
                .map(end -> text.substring(0, end))
                .orElse(text);
    }
}
