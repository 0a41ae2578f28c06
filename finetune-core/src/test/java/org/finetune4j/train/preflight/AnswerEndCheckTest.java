package org.finetune4j.train.preflight;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.finetune4j.TestJson;
import org.finetune4j.data.Sample;
import org.finetune4j.data.examples.InstructionDataset;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The labelled end of an answer is read as the model will have to write it. */
class AnswerEndCheckTest {

    /** Special tokens are found after normalising, and no class of transformers says otherwise. */
    private static final String CUT_INTO_LETTERS = """
            {"tokenizer": "tiny-llama2-bpe", "normalized": true, "files": {"tokenizer_config.json": {"eos_token": "</s>"}}}""";

    /** The same file as transformers' LlamaTokenizer reads it. */
    private static final String FOUND_ANYWHERE = """
            {"tokenizer": "tiny-llama2-bpe", "normalized": true, "files": {
             "tokenizer_config.json": {"eos_token": "</s>", "tokenizer_class": "LlamaTokenizer"}}}""";

    @TempDir
    private Path directory;

    private Optional<String> spelledEnd(String files, String answer) throws IOException {
        try (Tokenizer tokenizer =
                TestTokenizers.load(TestJson.parse(files), Files.createTempDirectory(directory, "tokenizer"))) {
            int[] text = tokenizer.encode(answer, false);
            int[] ids = Arrays.copyOf(text, text.length + 1);
            ids[text.length] = tokenizer.eosTokenId().orElseThrow();
            return AnswerEndCheck.spelledEnd(new Sample(ids, ids.clone()), tokenizer);
        }
    }

    @Test
    void anEndMarkerThatIsCutIntoLettersIsSeen() throws IOException {
        assertEquals(Optional.of("'</s>'"), spelledEnd(CUT_INTO_LETTERS, "The end</s>"));
    }

    @Test
    void anEndMarkerThatIsOneTokenAndAnAnswerWithoutOneAreFine() throws IOException {
        assertEquals(Optional.empty(), spelledEnd(FOUND_ANYWHERE, "The end</s>"));
        assertEquals(Optional.empty(), spelledEnd(CUT_INTO_LETTERS, "The end"));
        assertEquals(Optional.empty(), spelledEnd(CUT_INTO_LETTERS, "</s> is how it ends"));
    }

    @Test
    void answersThatAreTheirEndMarkerAloneAreCounted() {
        try (Tokenizer tokenizer = TestTokenizers.llama2()) {
            InstructionDataset records = InstructionDataset.of(List.of(
                    new Instruction("Say yes.", "yes"),
                    new Instruction("Say nothing.", ""),
                    new Instruction("Say nothing again.", "")));
            SampleSurvey survey = SampleSurvey.of(
                    SupervisedSamples.of(
                            records, tokenizer, SupervisedOptions.builder().build()),
                    0);
            String warning = AnswerEndCheck.emptyAnswers(survey.shortAnswers(), tokenizer)
                    .orElseThrow();
            assertTrue(warning.startsWith("record 1: the answer is nothing but its end marker (and 1 more"), warning);
        }
    }
}
