package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A model with more tokens than its checkpoint: the tokenizer's files, the new rows, saved and loaded again. */
class AddedTokensTest {

    private static final AddedTokens CHAT = new AddedTokens(List.of("<think>"), List.of("<|user|>", "<|assistant|>"));
    private static final String TEXT = "<|user|>Hello<think> world<|assistant|>";

    @TempDir
    Path directory;

    private Path base;
    private int oldTokens;

    @BeforeEach
    void giveTheTokenizerToADirectory() throws IOException {
        base = Files.createDirectories(directory.resolve("base"));
        TestTokenizers.copyTo(base, "tiny-gpt2-bpe");
        Files.writeString(base.resolve("tokenizer_config.json"), """
                {"bos_token": null, "added_tokens_decoder": {}}""");
        try (Tokenizer tokenizer = Tokenizer.load(base)) {
            oldTokens = tokenizer.rows();
        }
    }

    static List<String> architectures() {
        return SmallModels.ARCHITECTURES;
    }

    @Test
    void addedTokensAreNeverSplitAndSpecialOnesCanBeLeftOut() {
        try (Tokenizer tokenizer = Tokenizer.load(base, CHAT)) {
            int[] ids = tokenizer.encode(TEXT, false);
            assertEquals(oldTokens + 1, ids[0]);
            assertEquals(oldTokens + 2, ids[ids.length - 1]);
            assertEquals(oldTokens, tokenizer.id("<think>").orElseThrow());
            assertEquals(TEXT, tokenizer.decode(ids, false));
            assertEquals("Hello<think> world", tokenizer.decode(ids, true));
            assertEquals(oldTokens + 3, tokenizer.rows());
        }
    }

    @Test
    void aTokenThatIsThereKeepsItsId() {
        try (Tokenizer plain = Tokenizer.load(base);
                Tokenizer tokenizer = Tokenizer.load(base, AddedTokens.special(plain.token(5), "<new>", "<new>"))) {
            assertEquals(5, tokenizer.id(plain.token(5)).orElseThrow());
            assertEquals(oldTokens, tokenizer.id("<new>").orElseThrow());
            assertEquals(oldTokens + 1, tokenizer.rows());
        }
    }

    @Test
    void bothFilesOfTheTokenizerSayThem() throws IOException {
        Path target = Files.createDirectories(directory.resolve("copy"));
        try (Tokenizer tokenizer = Tokenizer.load(base, CHAT)) {
            tokenizer.copyFilesTo(target);
        }
        JsonNode decoder =
                TestJson.read(target.resolve("tokenizer_config.json")).path("added_tokens_decoder");
        assertEquals("<think>", decoder.path("" + oldTokens).path("content").asText());
        assertTrue(decoder.path("" + (oldTokens + 1)).path("special").asBoolean());
        try (Tokenizer before = Tokenizer.load(base, CHAT);
                Tokenizer after = Tokenizer.load(target);
                Tokenizer again = Tokenizer.load(target, CHAT)) {
            assertArrayEquals(before.encode(TEXT, true), after.encode(TEXT, true));
            assertArrayEquals(before.encode(TEXT, true), again.encode(TEXT, true));
            assertEquals(before.rows(), again.rows());
        }
    }

    @ParameterizedTest
    @MethodSource("architectures")
    void newRowsAreTheMeanOfTheOldOnesAndComeBackFromAFile(String architecture) {
        ModelConfig config = SmallModels.config(architecture, new Random(architecture.hashCode()));
        try (CausalLM model = CausalLM.initialize(config.withVocabSize(oldTokens), null, Device.CPU, 1)) {
            model.save(base);
        }
        Path saved = directory.resolve("saved");
        ModelInputs inputs = ModelInputs.of(new int[] {oldTokens, 3, oldTokens + 2});
        try (TensorScope scope = TensorScope.open();
                CausalLM plain = CausalLM.load(base);
                CausalLM larger = CausalLM.load(base, LoadOptions.defaults().withAddedTokens(CHAT))) {
            larger.save(saved);
            try (CausalLM again = CausalLM.load(saved)) {
                assertEquals(oldTokens + 3, again.config().positive("vocab_size"));
                assertArrayEquals(
                        larger.logits(inputs).toFloatArray(),
                        again.logits(inputs).toFloatArray());
                assertArrayEquals(
                        larger.tokenizer().encode(TEXT, true), again.tokenizer().encode(TEXT, true));
                checkRows(embedding(plain), embedding(again));
                checkRows(output(plain), output(again));
                assertEquals(plain.network().isTied(), again.network().isTied());
            }
        }
    }

    private static Parameter embedding(CausalLM model) {
        return model.network().inputEmbedding().weight();
    }

    private static Parameter output(CausalLM model) {
        return model.network().outputLayer().weight();
    }

    private void checkRows(Parameter old, Parameter grown) {
        Tensor before = old.value();
        Tensor after = grown.value();
        assertEquals(oldTokens + 3, after.size(0));
        assertArrayEquals(
                before.toFloatArray(),
                after.narrow(0, 0, oldTokens).contiguous().toFloatArray());
        float[] mean = before.mean(0, false).toFloatArray();
        for (int row = oldTokens; row < oldTokens + 3; row++) {
            assertArrayEquals(mean, after.select(0, row).contiguous().toFloatArray(), 1e-6f);
        }
    }

    @Test
    void rowsThatAPaddedVocabularyHasAlreadyStay() {
        ModelConfig config = SmallModels.config("LlamaForCausalLM", new Random(3));
        try (CausalLM model = CausalLM.initialize(config.withVocabSize(oldTokens + 64), null, Device.CPU, 1)) {
            model.save(base);
        }
        try (CausalLM larger = CausalLM.load(base, LoadOptions.defaults().withAddedTokens(CHAT))) {
            assertEquals(oldTokens + 64, larger.config().positive("vocab_size"));
            assertEquals(oldTokens + 64, embedding(larger).size(0));
        }
    }

    @Test
    void aBlankTokenAndAModelWithoutATokenizerAreRefused() throws IOException {
        assertTrue(assertThrows(UserErrorException.class, () -> AddedTokens.special("<a>", " "))
                .getMessage()
                .contains("blank"));
        ModelConfig config = SmallModels.config("LlamaForCausalLM", new Random(3));
        Path bare = directory.resolve("bare");
        try (CausalLM model = CausalLM.initialize(config, null, Device.CPU, 1)) {
            model.save(bare);
        }
        LoadOptions options = LoadOptions.defaults().withAddedTokens(CHAT);
        assertTrue(assertThrows(UserErrorException.class, () -> CausalLM.load(bare, options))
                .getMessage()
                .contains("no tokenizer.json"));
    }
}
