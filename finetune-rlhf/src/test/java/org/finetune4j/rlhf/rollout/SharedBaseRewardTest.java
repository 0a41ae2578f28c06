package org.finetune4j.rlhf.rollout;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.rlhf.reward.RewardModel;
import org.finetune4j.rlhf.rewards.RewardRequest;
import org.finetune4j.rlhf.rewards.RewardSource;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A reward model that is an adapter sits on the policy's base. */
class SharedBaseRewardTest {

    private static final List<RewardRequest> ANSWERS =
            List.of(answer(new int[] {5, 6, 7}, new int[] {8, 9}), answer(new int[] {9}, new int[] {10, 11, 12, 13}));

    @TempDir
    Path directory;

    private Path base;
    private Path reward;

    private static RewardRequest answer(int[] prompt, int[] completion) {
        return new RewardRequest("p", "c", Map.of(), new RewardRequest.Tokens(prompt, completion, true));
    }

    private static void save(Path target) throws IOException {
        try (CausalLM model = TinyPolicy.model()) {
            model.save(target);
        }
        TestTokenizers.copyTo(target, "tiny-gpt2-bpe");
        Files.writeString(target.resolve("tokenizer_config.json"), "{\"eos_token\": \"<|endoftext|>\"}");
    }

    @BeforeEach
    void write() throws IOException {
        base = directory.resolve("base");
        reward = directory.resolve("reward");
        save(base);
        Path lora = directory.resolve("lora");
        try (CausalLM model = CausalLM.load(base);
                RandomGenerator.Use random = RandomGenerator.of(1).use();
                Adapter adapter = (Adapter) TinyPolicy.LORA.attach(model)) {
            adapter.export(lora);
        }
        Files.createDirectories(reward);
        ObjectNode config = InputFiles.jsonObject(lora.resolve("adapter_config.json"));
        config.putArray("modules_to_save").add("score");
        config.put("task_type", "SEQ_CLS");
        Files.writeString(reward.resolve("adapter_config.json"), config.toString());
        try (SafetensorsFile stored = SafetensorsFile.open(lora.resolve("adapter_model.safetensors"));
                RandomGenerator.Use random = RandomGenerator.of(2).use();
                TensorScope scope = TensorScope.open()) {
            List<Entry> entries = new ArrayList<>();
            for (String name : stored.names()) {
                // B starts at 0, where nothing would be seen.
                Tensor value = stored.tensor(name);
                entries.add(Entry.of(
                        name,
                        value.add(Tensors.randn(DType.FLOAT32, Device.CPU, value.shape())
                                .mul(0.1))));
            }
            entries.add(Entry.of("base_model.model.score.weight", Tensors.randn(DType.FLOAT32, Device.CPU, 1, 32)));
            SafetensorsWriter.write(
                    reward.resolve("adapter_model.safetensors"), entries, SafetensorsWriter.PYTORCH_METADATA);
        }
    }

    @Test
    void scoresAreThoseOfTheModelByItselfAndThePolicyIsAsBefore() {
        double[] expected;
        try (RewardModel alone = RewardModel.load(reward)) {
            expected = alone.scoreTokens(
                    ANSWERS.stream().map(ModelReward::sequence).toList());
        }
        try (CausalLM model = CausalLM.load(base);
                Adapter policy = (Adapter) TinyPolicy.LORA.attach(model);
                RewardSource source = ModelReward.open(reward, model, policy)) {
            assertEquals(SharedBaseReward.class, source.getClass());
            assertArrayEquals(expected, source.scores(ANSWERS), 1e-5);
            assertTrue(policy.isEnabled());
        }
    }

    @Test
    void anotherBaseIsNotShared() throws IOException {
        Path other = directory.resolve("other");
        save(other);
        try (CausalLM model = CausalLM.load(other);
                Adapter policy = (Adapter) TinyPolicy.LORA.attach(model);
                RewardSource source = ModelReward.open(reward, model, policy)) {
            assertEquals(ModelReward.class, source.getClass());
            assertEquals(2, source.scores(ANSWERS).length);
        }
    }

    @Test
    void aPolicyIsNoRewardModel() {
        try (CausalLM model = CausalLM.load(base);
                Adapter policy = (Adapter) TinyPolicy.LORA.attach(model)) {
            assertThrows(UserErrorException.class, () -> ModelReward.open(base, model, policy));
        }
    }
}
