package org.finetune4j.cli;

import static org.finetune4j.cli.CommandRun.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.TestJson;
import org.finetune4j.cli.quickstart.EmbeddedModelFiles;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("slow")
class GenerateCommandTest {

    @TempDir
    Path directory;

    private CommandRun generate(String... more) {
        String model = EmbeddedModelFiles.unpack(directory.resolve("model")).toString();
        String[] args = new String[more.length + 3];
        args[0] = "generate";
        args[1] = "--model";
        args[2] = model;
        System.arraycopy(more, 0, args, 3, more.length);
        return CommandRun.of(args);
    }

    @Test
    void severalPromptsAreContinuedAsEachAlone() {
        CommandRun one = generate("--prompt", "Tom lives", "--max-new-tokens", "6");
        CommandRun two = generate("--prompt", "Tom lives", "--prompt", "The dog of", "--max-new-tokens", "6");
        assertEquals(0, two.exitCode(), two.toString());
        assertEquals(String.join("\n", one.out()), two.out().get(0));
    }

    @Test
    void jsonTellsIdsReasonAndLogprobs() throws IOException {
        CommandRun run = generate(
                "--prompt",
                "Tom lives",
                "--max-new-tokens",
                "3",
                "--json",
                "--logprobs",
                "2",
                "--num-return-sequences",
                "2",
                "--temperature",
                "1",
                "--top-k",
                "5",
                "--top-p",
                "0.9",
                "--min-p",
                "0.01");
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(2, run.out().size());
        JsonNode line = TestJson.parse(run.out().get(0));
        assertEquals("Tom lives", line.path("prompt").asText());
        assertEquals(3, line.path("ids").size());
        assertEquals("length", line.path("finish_reason").asText());
        assertEquals(3, line.path("logprobs").size());
        assertEquals(2, line.path("logprobs").get(0).path("top").size());
    }

    @Test
    void aContinuationIsJsonOfASchema() throws IOException {
        Path schema = directory.resolve("schema.json");
        Files.writeString(schema, """
                {"type": "object", "properties": {"lives": {"enum": ["Oslo", "Rome"]}}, "required": ["lives"]}""");
        CommandRun run = generate("--prompt", "Tom lives", "--json-schema", schema.toString());
        assertEquals(0, run.exitCode(), run.toString());
        String text = String.join("\n", run.out());
        assertTrue(TestJson.parse(text).path("lives").asText().matches("Oslo|Rome"), text);
        Files.writeString(schema, "{\"type\": \"strng\"}");
        CommandRun.assertRefused(
                generate("--prompt", "Tom lives", "--json-schema", schema.toString()),
                "schema.json: the JSON schema at #");
        CommandRun.assertRefused(
                generate("--prompt", "Tom lives", "--json-object", "--num-beams", "2"), "with a grammar");
    }

    @Test
    void beamsAndPenalties() {
        CommandRun run = generate(
                "--prompt", "Tom lives", "--max-new-tokens", "6", "--num-beams", "3", "--repetition-penalty", "1.2");
        assertEquals(0, run.exitCode(), run.toString());
    }

    @Test
    void aStopStringEndsTheTextAndIsNotPrinted() {
        String whole = String.join(
                "\n",
                generate("--prompt", "Tom lives", "--max-new-tokens", "12").out());
        String stop = whole.substring(5, 7);
        String cut = String.join(
                "\n",
                generate("--prompt", "Tom lives", "--max-new-tokens", "12", "--stop", stop)
                        .out());
        assertEquals(whole.substring(0, whole.indexOf(stop)), cut);
    }

    @Test
    void aBeamEndsAtAStopStringToo() {
        CommandRun whole = generate("--prompt", "Tom lives", "--max-new-tokens", "12", "--num-beams", "3");
        String text = String.join("\n", whole.out());
        String stop = text.substring(5, 7);
        CommandRun stopped =
                generate("--prompt", "Tom lives", "--max-new-tokens", "12", "--num-beams", "3", "--stop", stop);
        assertEquals(0, stopped.exitCode(), stopped.toString());
        String ended = String.join("\n", stopped.out());
        assertFalse(ended.contains(stop), ended);
        assertTrue(ended.length() < text.length(), ended);
    }

    @Test
    void mistakesAreNamed() {
        assertRefused(generate("--max-new-tokens", "3"), "--prompt");
        assertRefused(generate("--prompt", "a", "--top-p", "1.5"), "1.5");
        assertRefused(generate("--prompt", "a", "--logprobs", "1"), "--json");
        assertRefused(generate("--prompt", "a", "--num-beams", "2", "--temperature", "1"), "num_beams");
    }
}
