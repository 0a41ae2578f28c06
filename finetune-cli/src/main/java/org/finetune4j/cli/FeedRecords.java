package org.finetune4j.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.MinimalPrettyPrinter;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.finetune4j.Json;

/**
 * Instructions of the size of Alpaca's: on average 60 characters of instruction, in four of ten records an input of 55, and
 * an output of 280, most of them shorter and a few much longer. The words are English; what they say is nothing.
 */
final class FeedRecords {

    private static final String[] WORDS = ("the of and to in is that for it as was with be by on not he his but at are"
                    + " this have from or had an they which one you were all her she there would their we him been has"
                    + " when who will no more if out so up said what about than into them can only other time new some"
                    + " could these two may first then do any like my now over such our man me even most made after"
                    + " also well many before must through back years where much your way down should because long"
                    + " information government different development important following language question example"
                    + " describe sentence explain generate between education environment temperature water energy")
            .split(" ");

    private FeedRecords() {}

    /** Writes {@code count} records as JSON Lines; the same ones every time. */
    static void write(Path file, int count) throws IOException {
        SplittableRandom random = new SplittableRandom(0);
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 16);
                JsonGenerator generator = Json.factory().createGenerator(out)) {
            generator.setPrettyPrinter(new MinimalPrettyPrinter("\n"));
            for (int i = 0; i < count; i++) {
                generator.writeStartObject();
                generator.writeStringField("instruction", text(random, 30 + random.nextInt(61)));
                generator.writeStringField(
                        "input", random.nextInt(10) < 4 ? text(random, 20 + random.nextInt(71)) : "");
                // The mean of an exponential distribution is its scale.
                int length = (int) (40 - 240 * Math.log(1 - random.nextDouble()));
                generator.writeStringField("output", text(random, Math.min(length, 2500)));
                generator.writeEndObject();
            }
        }
    }

    private static String text(SplittableRandom random, int length) {
        StringBuilder text = new StringBuilder();
        while (text.length() < length) {
            text.append(text.isEmpty() ? "" : random.nextInt(12) == 0 ? ", " : " ");
            text.append(WORDS[random.nextInt(WORDS.length)]);
        }
        return text.append('.').toString();
    }
}
