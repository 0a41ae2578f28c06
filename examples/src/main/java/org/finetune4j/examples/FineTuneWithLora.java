package org.finetune4j.examples;

import java.nio.file.Path;
import org.finetune4j.data.examples.InstructionDataset;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.report.ProgressListener;

/**
 * The shortest way: a model directory, a file of instructions, an adapter that PEFT can load.
 *
 * <p>Arguments: model directory, Alpaca records, directory for the adapter.
 */
public final class FineTuneWithLora {

    private FineTuneWithLora() {}

    /**
     * Runs the example.
     *
     * @param args see the class
     */
    public static void main(String[] args) {
        Path modelDirectory = Path.of(args[0]);
        Path records = Path.of(args[1]);
        Path adapter = Path.of(args[2]);
        try (CausalLM model = CausalLM.load(modelDirectory);
                TrainingResult result = FineTuner.of(model)
                        .strategy(Lora.builder()
                                .rank(16)
                                .alpha(32)
                                .targetModules("all-linear")
                                .build())
                        .dataset(InstructionDataset.jsonl(records))
                        .arguments(TrainingArguments.builder()
                                .epochs(3)
                                .learningRate(2e-4)
                                .batchSize(8)
                                .build())
                        .listener(ProgressListener.console())
                        .train()) {
            result.saveAdapter(adapter);
            System.out.println(TextGenerator.of(model).ask("Translate to French: good morning"));
        }
    }
}
