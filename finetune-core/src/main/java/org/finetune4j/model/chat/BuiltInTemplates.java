package org.finetune4j.model.chat;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The chat templates that are known by name: each writes what the models of its family were published to read. Their
 * sources are {@code NAME.jinja} beside this class.
 */
final class BuiltInTemplates {

    /** In the order of the alphabet. */
    static final List<String> NAMES =
            List.of("alpaca", "chatml", "gemma", "llama2", "llama3", "mistral", "phi3", "qwen", "vicuna", "zephyr");

    private BuiltInTemplates() {}

    /** The source of one of {@link #NAMES}. */
    static String source(String name) {
        String file = name + ".jinja";
        try (InputStream in = BuiltInTemplates.class.getResourceAsStream(file)) {
            if (in == null) {
                throw new IllegalArgumentException("no resource " + file);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read resource " + file, e);
        }
    }
}
