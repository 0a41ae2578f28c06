package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.AddedTokens;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.model.chat.ChatMessage;
import org.finetune4j.model.chat.ChatOptions;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.tensor.Device;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An adapter speaks in the words it was trained with: the tokenizer, the added tokens and the template beside it. */
class AdapterTextTest {

    private static final String TEMPLATE = "{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}";
    private static final List<ChatMessage> HELLO = List.of(ChatMessage.user("hello"));

    @TempDir
    Path directory;

    private Path base;
    private Path adapter;

    @BeforeEach
    void saveABaseAndAnAdapter() throws IOException {
        base = Files.createDirectories(directory.resolve("base"));
        TestTokenizers.copyTo(base, "tiny-gpt2-bpe");
        Files.writeString(base.resolve("tokenizer_config.json"), """
                {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "chat_template": "base: {{ messages[0].content }}"}
                """);
        int rows;
        try (Tokenizer tokenizer = Tokenizer.load(base)) {
            rows = tokenizer.vocabSize();
        }
        ModelConfig config = ModelConfig.parse("""
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": %d, "hidden_size": 16,
                 "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
                 "max_position_embeddings": 64, "tie_word_embeddings": true, "eos_token_id": 0}
                """.formatted(rows), "config");
        try (CausalLM model = CausalLM.initialize(config, null, Device.CPU, 1)) {
            model.save(base);
        }
        adapter = directory.resolve("adapter");
        try (CausalLM model = CausalLM.load(base);
                Adapter made =
                        Lora.builder().targetModules("all-linear").build().attach(model)) {
            made.save(adapter);
        }
    }

    private void giveTheAdapterATemplate() throws IOException {
        Files.writeString(adapter.resolve("chat_template.jinja"), TEMPLATE);
    }

    /** As transformers saves a tokenizer with added tokens beside an adapter. */
    private void giveTheAdapterATokenizer(String... added) throws IOException {
        try (Tokenizer tokenizer = Tokenizer.load(base, AddedTokens.special(added))) {
            tokenizer.copyFilesTo(adapter);
        }
        Files.writeString(adapter.resolve("tokenizer_config.json"), """
                {"bos_token": "<|endoftext|>", "eos_token": "<|end|>"}""");
    }

    private static String rendered(CausalLM model) {
        return model.chatTemplate().orElseThrow().render(HELLO, ChatOptions.none());
    }

    @Test
    void theTemplateBesideAnAdapterIsTheOneThatIsUsedWhileItIsEnabled() throws IOException {
        giveTheAdapterATemplate();
        try (CausalLM model = CausalLM.load(base)) {
            try (Adapter loaded = AdapterFormat.load(model, adapter, false)) {
                assertEquals("<|user|>hello<|end|>", rendered(model));
                loaded.disable();
                assertEquals("base: hello", rendered(model));
                loaded.enable();
                assertEquals("<|user|>hello<|end|>", rendered(model));
            }
            assertEquals("base: hello", rendered(model));
        }
    }

    @Test
    void anAdapterWithoutSuchFilesSpeaksAsItsBase() {
        try (CausalLM model = CausalLM.load(base);
                Adapter loaded = AdapterFormat.load(model, adapter, false)) {
            assertTrue(loaded.isEnabled());
            assertEquals("base: hello", rendered(model));
            assertFalse(model.adaptedEosTokenId().isPresent());
        }
    }

    @Test
    void theTokenizerBesideAnAdapterIsUsedAndItsTokensHaveRows() throws IOException {
        giveTheAdapterATemplate();
        giveTheAdapterATokenizer("<|user|>", "<|end|>");
        try (CausalLM model = CausalLM.load(base)) {
            int rows = model.config().positive("vocab_size");
            int[] before = model.tokenizer().encode("<|user|>", false);
            assertTrue(before.length > 1);
            try (Adapter loaded = AdapterFormat.load(model, adapter, false)) {
                assertTrue(loaded.isEnabled());
                assertArrayEquals(new int[] {rows}, model.tokenizer().encode("<|user|>", false));
                assertEquals(rows + 2, model.network().inputEmbedding().count());
                String text = TextGenerator.of(model).generate("<|user|>hello<|end|>", GenerationOptions.greedy(4));
                assertFalse(text.contains("<|user|>"));
            }
            assertArrayEquals(before, model.tokenizer().encode("<|user|>", false));
            assertEquals(rows, model.network().inputEmbedding().count());
        }
    }

    @Test
    void anAdapterWithoutTablesFitsItsBaseWithMoreTokensToo() throws IOException {
        Path larger = directory.resolve("larger");
        LoadOptions more = LoadOptions.defaults().withAddedTokens(AddedTokens.special("<|new|>"));
        try (CausalLM model = CausalLM.load(base, more)) {
            model.save(larger);
        }
        try (CausalLM model = CausalLM.load(larger);
                Adapter loaded = AdapterFormat.load(model, adapter, false)) {
            assertTrue(loaded.isEnabled());
            assertEquals(1, model.tokenizer().encode("<|new|>", false).length);
        }
    }

    @Test
    void aMergedModelHasTheWordsOfItsAdapter() throws IOException {
        giveTheAdapterATemplate();
        giveTheAdapterATokenizer("<|user|>", "<|end|>");
        Path merged = directory.resolve("merged");
        int[] ids;
        try (CausalLM model = CausalLM.load(base);
                Adapter loaded = AdapterFormat.load(model, adapter, false)) {
            loaded.merge();
            ids = model.tokenizer().encode("<|user|>hello<|end|>", true);
            model.save(merged);
        }
        try (CausalLM model = CausalLM.load(merged)) {
            assertArrayEquals(ids, model.tokenizer().encode("<|user|>hello<|end|>", true));
            assertEquals("<|user|>hello<|end|>", rendered(model));
            assertEquals(
                    model.network().inputEmbedding().count(), model.config().positive("vocab_size"));
            assertTrue(model.network().isTied());
            JsonNode eos = TestJson.read(merged.resolve("config.json")).path("eos_token_id");
            assertEquals(ids[ids.length - 1], eos.path(0).asInt());
            assertEquals(0, eos.path(1).asInt());
        }
    }

    @Test
    void anAdapterThatIsWrittenAgainKeepsItsWords() throws IOException {
        giveTheAdapterATemplate();
        giveTheAdapterATokenizer("<|user|>", "<|end|>");
        Path again = directory.resolve("again");
        try (CausalLM model = CausalLM.load(base);
                Adapter loaded = AdapterFormat.load(model, adapter, false)) {
            loaded.export(again);
        }
        assertEquals(TEMPLATE, ChatTemplate.source(again).orElseThrow());
        assertEquals(-1, Files.mismatch(adapter.resolve("tokenizer.json"), again.resolve("tokenizer.json")));
    }

    @Test
    void switchingBetweenAdaptersSwitchesTheirWords() throws IOException {
        giveTheAdapterATemplate();
        giveTheAdapterATokenizer("<|user|>", "<|end|>");
        Path plain = directory.resolve("plain");
        try (CausalLM model = CausalLM.load(base);
                AdapterSet adapters = AdapterSet.of(model)) {
            adapters.add("new", Lora.builder().targetModules("all-linear").build());
            adapters.get("new").save(plain);
            adapters.load("chat", adapter);
            adapters.load("plain", plain);
            adapters.activate("chat");
            assertEquals("<|user|>hello<|end|>", rendered(model));
            adapters.activate("plain");
            assertEquals("base: hello", rendered(model));
            adapters.activate("chat");
            assertEquals("<|user|>hello<|end|>", rendered(model));
        }
    }

    @Test
    void aTokenizerWhoseTokensHaveOtherIdsThanTheBasesIsRefused() throws IOException {
        giveTheAdapterATokenizer("<|end|>");
        Path file = adapter.resolve("tokenizer.json");
        String json = Files.readString(file);
        try (Tokenizer tokenizer = Tokenizer.load(base)) {
            String a = Json.write(tokenizer.token(40));
            String b = Json.write(tokenizer.token(41));
            json = json.replaceAll("\\Q" + a + "\\E\\s*:\\s*40\\b", a + ": 41")
                    .replaceAll("\\Q" + b + "\\E\\s*:\\s*41\\b", b + ": 40");
        }
        AtomicFiles.writeString(file, json);
        try (CausalLM model = CausalLM.load(base)) {
            String message = assertThrows(UserErrorException.class, () -> AdapterFormat.load(model, adapter, false))
                    .getMessage();
            assertTrue(message.contains("tokenizer.json") && message.contains("40"), message);
            assertEquals("base: hello", rendered(model));
            assertFalse(model.network().isTrainable());
        }
    }

    @Test
    void aTokenizerInAnOlderFormatIsNotIgnored() throws IOException {
        Files.writeString(adapter.resolve("tokenizer.model"), "sentencepiece");
        try (CausalLM model = CausalLM.load(base)) {
            String message = assertThrows(UserErrorException.class, () -> AdapterFormat.load(model, adapter, false))
                    .getMessage();
            assertTrue(message.contains("tokenizer.model") && message.contains("save_pretrained"), message);
        }
    }
}
