package org.finetune4j.train.arguments;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class ModelSelectionTest {

    @Test
    void rougeIsAllThreeOfItsKind() {
        assertEquals(
                List.of("loss", "rouge1", "rouge2", "rougeL", "bleu"),
                ModelSelection.metricsNamed(List.of("loss", "rouge", "bleu")));
    }
}
