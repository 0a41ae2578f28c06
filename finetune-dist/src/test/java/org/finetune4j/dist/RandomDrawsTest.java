package org.finetune4j.dist;

import java.nio.file.Path;
import org.finetune4j.dist.mesh.MeshShape;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is drawn at random in training is what one process draws, whichever way ranks divide batches, layers and matrices. */
class RandomDrawsTest {

    @TempDir
    private Path directory;

    @ParameterizedTest(name = "{0}, {1} as {2}, ZeRO {4}, tokens divided: {5}, noise {6}, {7} batches a step")
    @CsvSource(
            delimiter = '|',
            value = {
                "llama+dropout     | lora | dp=2           | 2 | 0 | false | 0 | 2",
                "llama+dropout     | lora | dp=2           | 2 | 2 | false | 0 | 1",
                "llama+dropout     | full | dp=3           | 3 | 3 | false | 0 | 2",
                "gpt2+dropout      | full | dp=2           | 2 | 0 | false | 0 | 1",
                "gpt2+dropout      | lora | dp=3           | 3 | 1 | false | 0 | 4",
                "opt+dropout       | full | dp=2           | 2 | 0 | false | 0 | 1",
                "gpt_neox+dropout  | lora | dp=2           | 2 | 0 | false | 0 | 1",
                "mixtral+dropout   | lora | dp=2           | 2 | 0 | false | 0 | 1",
                "llama             | full | dp=2           | 2 | 0 | false | 5 | 1",
                "llama             | lora | dp=2,pp=2      | 4 | 0 | false | 5 | 1",
                "llama+dropout     | lora | pp=2           | 2 | 0 | false | 0 | 2",
                "gpt2+dropout      | full | pp=2           | 2 | 1 | false | 0 | 2",
                "llama+dropout     | lora | tp=2           | 2 | 0 | false | 0 | 2",
                "gpt2+dropout      | lora | tp=2           | 2 | 0 | true  | 0 | 2",
                "gpt2+dropout      | full | tp=2           | 2 | 0 | false | 5 | 2",
                "mixtral+dropout   | lora | tp=2           | 2 | 0 | true  | 0 | 1",
                "gpt2+dropout      | lora | dp=2,tp=2,pp=2 | 8 | 1 | true  | 5 | 1",
            })
    void ranksDrawWhatOneProcessDraws(
            String model,
            String method,
            String mesh,
            int ranks,
            int stage,
            boolean dividesSequence,
            double noise,
            int batches) {
        MeshTraining training = new MeshTraining(model, method, stage, true)
                .with(arguments -> arguments.neftuneNoiseAlpha(noise).gradientAccumulationSteps(batches));
        (dividesSequence ? training.dividingSequences() : training)
                .requireSameOn(MeshShape.parse(mesh, ranks), directory);
    }
}
