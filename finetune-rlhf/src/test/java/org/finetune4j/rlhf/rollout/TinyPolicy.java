package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.ExampleList;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.rlhf.rewards.RewardFunction;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;

/** A model of random weights, and a task that it can learn by trying: to answer with some of its tokens and not with others. */
final class TinyPolicy {

    static final FineTuningStrategy LORA =
            Lora.builder().rank(8).alpha(16).targetModules("all-linear").build();

    private TinyPolicy() {}

    static CausalLM model() {
        Tokenizer tokenizer = TestTokenizers.gpt2();
        String config = """
                {"architectures": ["LlamaForCausalLM"], "vocab_size": %d, "hidden_size": 32, "intermediate_size": 48,
                 "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
                 "initializer_range": 0.5, "tie_word_embeddings": false, "rms_norm_eps": 1e-5}
                """.formatted(tokenizer.rows());
        return CausalLM.initialize(ModelConfig.parse(config, "a tiny policy"), tokenizer, Device.CPU, 3);
    }

    /** The share of tokens to which one element of the last hidden states gives a higher score. */
    static RewardFunction reward(CausalLM model) {
        Set<Integer> good = new HashSet<>();
        try (TensorScope scope = TensorScope.open()) {
            float[] column = model.network()
                    .outputLayer()
                    .weight()
                    .value()
                    .select(1, 0)
                    .contiguous()
                    .toFloatArray();
            for (int token = 0; token < column.length; token++) {
                if (column[token] > 0) {
                    good.add(token);
                }
            }
        }
        return request -> Arrays.stream(request.tokens().completion())
                .mapToDouble(token -> good.contains(token) ? 1 : 0)
                .average()
                .orElse(0);
    }

    static ExampleDataset prompts(int count, int first) {
        List<Example> prompts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            prompts.add(new PromptCompletion("What comes after " + (first + i) + "?", " " + (first + i + 1)));
        }
        return new ExampleList("prompt", prompts);
    }

    static TrainingArgumentsBuilder arguments() {
        return TrainingArguments.builder()
                .batchSize(64)
                .maxSteps(16)
                .learningRate(2e-2)
                .seed(1);
    }
}
