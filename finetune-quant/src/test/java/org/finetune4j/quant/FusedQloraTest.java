package org.finetune4j.quant;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.gradient.FusedContract;
import org.finetune4j.train.gradient.FusedContract.Rows;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Layers with 4-bit weights and LoRA go back by formula, decompressing what autograd would. */
class FusedQloraTest {

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3})
    void gradientsAndLossesAreAutograds(int everyLayers, @TempDir Path deep) {
        Torch.seed(7);
        try (CausalLM model = TinyModels.load(TinyModels.DEEP, LoadOptions.defaults())) {
            model.save(deep);
        }
        LoadOptions options =
                LoadOptions.defaults().withCompression(Quantization.qlora().compression());
        try (CausalLM model = CausalLM.load(deep, options);
                AttachedStrategy lora = Lora.builder()
                        .rank(4)
                        .alpha(8)
                        .targetModules("all-linear")
                        .build()
                        .attach(model)) {
            List<Parameter> trained = List.copyOf(lora.trainableParameters());
            try (Autograd.Mode mode = Autograd.disabled()) {
                trained.forEach(parameter -> parameter.value().detach().normalInPlace(0, 0.1)); // B is no longer 0
            }
            Batch batch = FusedContract.batch(
                    Rows.PADDED,
                    Math.toIntExact(model.network().inputEmbedding().count()));
            FusedContract.check(model, trained, batch, everyLayers, 2e-5f, -1);
        }
    }
}
