package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Collectors;
import org.finetune4j.data.examples.InstructionDataset;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.supervised.StringTemplate;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class SampleInspectorTest {

    private static Tokenizer tokenizer;

    @BeforeAll
    static void open() {
        tokenizer = TestTokenizers.gpt2();
    }

    @AfterAll
    static void close() {
        tokenizer.close();
    }

    @Test
    void exactlyTheTrainedTokensAreMarked() {
        Sample sample = SupervisedSamples.of(
                        InstructionDataset.of(List.of(new Instruction("Greet.", "Hi 🦖!"))),
                        tokenizer,
                        SupervisedOptions.builder()
                                .promptTemplate(StringTemplate.of("Q: {instruction}\nA: "))
                                .build())
                .get(0);
        assertEquals("Q: Greet.\nA: ⟦Hi 🦖!<|endoftext|>⟧", new SampleInspector(tokenizer).render(sample));
    }

    @Test
    void spansFollowTheLabelsTokenByToken() {
        int[] ids = tokenizer.encode("one two three", false);
        int[] labels = ids.clone();
        labels[1] = Sample.IGNORE_INDEX;
        Sample sample = new Sample(ids, labels);
        List<SampleInspector.Span> spans = new SampleInspector(tokenizer).spans(sample);
        assertEquals(
                List.of(true, false, true),
                spans.stream().map(SampleInspector.Span::trained).toList());
        assertEquals(
                List.of(0, 1, 2),
                spans.stream().map(SampleInspector.Span::firstToken).toList());
        assertEquals(
                ids.length,
                spans.stream().mapToInt(SampleInspector.Span::tokens).sum());
        assertEquals(
                "one two three", spans.stream().map(SampleInspector.Span::text).collect(Collectors.joining()));
        assertTrue(new SampleInspector(tokenizer).render(sample).startsWith("⟦"));
    }
}
