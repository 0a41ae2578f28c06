package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import org.finetune4j.data.InstructionDataset;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingArguments;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** A null in the place of an argument is told by the argument's name, where it is given and not where it is used. */
class NullArgumentsTest {

    @TempDir
    Path directory;

    private static void assertNamed(String argument, Executable call) {
        assertEquals(argument, assertThrows(NullPointerException.class, call).getMessage());
    }

    @Test
    void everyEntryNamesTheArgument() {
        TrainingFiles files = new TrainingFiles(directory);
        assertNamed("model", () -> FineTuner.of(null));
        assertNamed("directory", () -> CausalLM.load((Path) null));
        assertNamed("nameOrPath", () -> CausalLM.load((String) null));
        assertNamed("options", () -> CausalLM.load(files.model, (LoadOptions) null));
        assertNamed("schedule", () -> TrainingArguments.builder().schedule((LearningRateSchedule) null));
        assertNamed("bias", () -> Lora.builder().bias(null));
        try (CausalLM model = CausalLM.load(files.model)) {
            FineTuner tuner = FineTuner.of(model);
            assertNamed("strategy", () -> tuner.strategy((FineTuningStrategy) null));
            assertNamed("dataset", () -> tuner.dataset((InstructionDataset) null));
            assertNamed("arguments", () -> tuner.arguments(null));
            assertNamed("listener", () -> tuner.listener(null));
            TextGenerator generator = TextGenerator.of(model);
            assertNamed("prompt", () -> generator.generate((String) null, GenerationOptions.greedy(1)));
            assertNamed("question", () -> generator.ask(null));
        }
    }
}
