package org.finetune4j.data.supervised;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.data.Sample;
import org.finetune4j.data.SampleInspector;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.LoadedExamples;
import org.finetune4j.data.format.FieldTemplate;
import org.finetune4j.data.format.RecordFormats;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.model.chat.ChatTemplate;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * From a file to the sample that {@code validate} prints: one record of every format, of the shape that published datasets
 * have, with what is learned in marks.
 */
class MarkedSamplesTest {

    private static final String CHAT = "{% if tools %}[tools {{ tools[0].function.name }}]\n{% endif %}"
            + "{% for m in messages %}<{{ m.role }}>"
            + "{% if m.tool_calls %}call {{ m.tool_calls[0].function.name }}{% else %}{{ m.content }}{% endif %}<end>\n"
            + "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

    private static final String EOS = "<|endoftext|>";

    @TempDir
    private Path directory;

    /** A record in a file, and the sample that it becomes. {@code template} null: the chat template. */
    private record Case(
            String format,
            String file,
            String content,
            @Nullable String template,
            boolean chosenOnly,
            String marked) {

        @Override
        public String toString() {
            return format + ", " + file;
        }
    }

    private static Case texts(String format, String file, String content, String marked) {
        return new Case(format, file, content, "Q: {instruction} {input}\nA:\n", true, marked);
    }

    private static Case chat(String format, String file, String content, String marked) {
        return new Case(format, file, content, null, true, marked);
    }

    static Stream<Case> cases() {
        return Stream.of(
                texts(
                        "alpaca",
                        "a.json",
                        "[{\"instruction\": \"Add.\", \"input\": \"1 2\", \"output\": \"3\"}]",
                        "Q: Add. 1 2\nA:\n⟦3" + EOS + "⟧"),
                chat(
                        "alpaca",
                        "a.json",
                        "[{\"instruction\": \"Add.\", \"input\": \"1 2\", \"output\": \"3\"}]",
                        "<user>Add.\n1 2<end>\n<assistant>⟦3<end>" + EOS + "⟧"),
                texts(
                        "self_instruct",
                        "seed.jsonl",
                        "{\"instruction\": \"Add.\", \"instances\": [{\"input\": \"1 2\", \"output\": \"3\"}]}",
                        "Q: Add. 1 2\nA:\n⟦3" + EOS + "⟧"),
                texts(
                        "super_ni",
                        "task1_sum.json",
                        "{\"Definition\": [\"Add.\"], \"Positive Examples\": [], \"Instances\":\n[{\"id\": \"t\", \"input\":"
                                + " \"1 2\", \"output\": [\"3\", \"three\"]}]}",
                        "Q: Add. 1 2\nA:\n⟦3" + EOS + "⟧"),
                texts(
                        "big_bench",
                        "sums.json",
                        "{\"canary\": \"x\", \"examples\": [{\"input\": \"1 2\", \"target\": \"3\"}]}",
                        "1 2⟦3" + EOS + "⟧"),
                texts(
                        "prompt_completion",
                        "a.csv",
                        "prompt,completion,chain_of_thought\n\"Is 3, odd?\",yes,Two does not divide it.\n",
                        "Is 3, odd?⟦Two does not divide it. So the answer is yes." + EOS + "⟧"),
                texts(
                        "prompt_completion",
                        "a.jsonl",
                        "{\"prompt\": \"Is it?\\n\", \"completion\": \"Yes" + EOS + "\"}",
                        "Is it?\n⟦Yes" + EOS + "⟧"),
                texts("flan", "a.jsonl", "{\"inputs\": \"Is it?\", \"targets\": \"Yes\"}", "Is it?⟦Yes" + EOS + "⟧"),
                texts(
                        "text",
                        "a.jsonl",
                        "{\"text\": \"table: 1\\nQ: one\\nA: 1\"}",
                        "⟦table: 1\nQ: one\nA: 1" + EOS + "⟧"),
                chat(
                        "sharegpt",
                        "a.json",
                        "[{\"id\": \"x\", \"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"},"
                                + " {\"from\": \"gpt\", \"value\": \"Yes?\"}, {\"from\": \"human\", \"value\": \"Bye\"},"
                                + " {\"from\": \"gpt\", \"value\": \"Bye.\"}]}]",
                        "<user>Hi<end>\n<assistant>⟦Yes?<end>⟧\n<user>Bye<end>\n<assistant>⟦Bye.<end>" + EOS + "⟧"),
                chat(
                        "sharegpt",
                        "tools.json",
                        "[{\"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}, {\"from\": \"function_call\","
                                + " \"value\": \"{\\\"name\\\": \\\"f\\\", \\\"arguments\\\": {}}\"},"
                                + " {\"from\": \"observation\", \"value\": \"7\"}, {\"from\": \"gpt\", \"value\": \"Seven\"}],"
                                + " \"tools\": \"[{\\\"name\\\": \\\"f\\\"}]\"}]",
                        "[tools f]\n<user>Hi<end>\n<assistant>⟦call f<end>⟧\n<tool>7<end>\n<assistant>⟦Seven<end>" + EOS
                                + "⟧"),
                chat(
                        "messages",
                        "a.jsonl",
                        "{\"messages\": [{\"role\": \"system\", \"content\": \"Be kind.\"}, {\"role\": \"user\", \"content\":"
                                + " [{\"type\": \"text\", \"text\": \"Hi\"}]}, {\"role\": \"assistant\", \"content\": \"No\","
                                + " \"weight\": 0}, {\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\","
                                + " \"content\": \"Yes\"}]}",
                        "<system>Be kind.<end>\n<user>Hi<end>\n<assistant>No<end>\n<user>Hi<end>\n<assistant>⟦Yes<end>"
                                + EOS + "⟧"),
                texts(
                        "preference",
                        "hh.jsonl",
                        "{\"chosen\": \"\\n\\nHuman: Hi\\n\\nAssistant: Yes?\", \"rejected\": \"\\n\\nHuman: Hi\\n\\nAssistant:"
                                + " Go.\"}",
                        "\n\nHuman: Hi\n\nAssistant:⟦ Yes?" + EOS + "⟧"),
                chat(
                        "preference",
                        "dpo.json",
                        "[{\"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}], \"chosen\": {\"from\": \"gpt\","
                                + " \"value\": \"Yes?\"}, \"rejected\": {\"from\": \"gpt\", \"value\": \"Go.\"}}]",
                        "<user>Hi<end>\n<assistant>⟦Yes?<end>" + EOS + "⟧"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void theTrainedTokensAreMarked(Case wanted) throws IOException {
        Path file = Files.writeString(directory.resolve(wanted.file()), wanted.content());
        try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
            LoadedExamples examples =
                    LoadedExamples.open(DatasetSpec.of(file.toString()).build());
            assertEquals(wanted.format(), examples.format());
            String template = wanted.template();
            assertEquals(
                    wanted.marked(),
                    marked(examples, tokenizer, template == null ? null : StringTemplate.of(template)));
        }
    }

    @Test
    void everyFormatThatSupervisedTrainingReadsHasACase() {
        List<String> covered = cases().map(Case::format).toList();
        List<String> missing = RecordFormats.names().stream()
                .filter(name -> !covered.contains(name))
                .toList();
        assertEquals(List.of("unpaired_preference", "classification", "prompt"), missing);
    }

    @Test
    void aClassAndARowWithoutAHeaderAreLearnedThroughATemplate() throws IOException {
        Path file = Files.writeString(directory.resolve("train.tsv"), "gj04\t1\t\tHe said \"no\".\n");
        DatasetSpec spec = DatasetSpec.of(file.toString())
                .csvHeader(false)
                .template(new FieldTemplate("{column_4} Fine?", " {column_2}"))
                .build();
        try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
            assertEquals(
                    "He said \"no\". Fine?⟦ 1" + EOS + "⟧",
                    marked(LoadedExamples.open(spec), tokenizer, StringTemplate.of("{instruction}")));
        }
    }

    private static String marked(ExampleDataset examples, Tokenizer tokenizer, @Nullable PromptTemplate template) {
        SupervisedOptions options = SupervisedOptions.builder()
                .promptTemplate(template)
                .renderer(new ChatTemplateRenderer(ChatTemplate.of("test", CHAT, Map.of())))
                .chosenOnly(true)
                .build();
        TrainingDataset samples = SupervisedSamples.of(examples, tokenizer, options);
        Sample sample = samples.get(0);
        assertTrue(sample.labelledTokens() > 0);
        return new SampleInspector(tokenizer).render(sample);
    }
}
