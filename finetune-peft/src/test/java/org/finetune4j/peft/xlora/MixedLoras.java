package org.finetune4j.peft.xlora;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;

/** LoRA adapters that change something, for X-LoRA to mix. */
final class MixedLoras {

    private MixedLoras() {}

    /** Writes an adapter of drawn numbers. */
    static Path write(CausalLM model, Path directory, Lora.Builder lora, long seed) {
        Torch.seed(seed);
        try (Adapter adapter = lora.build().attach(model, true);
                Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            adapter.parametersByKey()
                    .values()
                    .forEach(parameter -> parameter.value().detach().normalInPlace(0, 0.3));
            adapter.save(directory);
        }
        return directory;
    }

    /** Two adapters of other ranks, one on all linear layers of attention and feed-forward, the other on some. */
    static Map<String, Path> two(CausalLM model, Path directory, String... fewTargets) {
        Map<String, Path> adapters = new LinkedHashMap<>();
        Lora.Builder many = Lora.builder().rank(3).alpha(6).dropout(0.2).targetModules("all-linear");
        if (model.linearLayerNames().stream().anyMatch(path -> path.contains(".experts."))) {
            many.targetModules(fewTargets);
        }
        adapters.put("many", write(model, directory.resolve("many"), many, 21));
        adapters.put(
                "few",
                write(model, directory.resolve("few"), Lora.builder().rank(2).targetModules(fewTargets), 22));
        return adapters;
    }
}
