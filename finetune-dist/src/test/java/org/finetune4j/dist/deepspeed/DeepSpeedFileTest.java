package org.finetune4j.dist.deepspeed;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DeepSpeedFileTest {

    /** The example of transformers' documentation for stage 3 with offloading. */
    private static final String STAGE_3 = """
            {"fp16": {"enabled": "auto", "loss_scale": 0, "loss_scale_window": 1000, "initial_scale_power": 16,
                      "hysteresis": 2, "min_loss_scale": 1},
             "bf16": {"enabled": "auto"},
             "optimizer": {"type": "AdamW", "params": {"lr": "auto", "betas": "auto", "eps": "auto",
                           "weight_decay": "auto"}},
             "scheduler": {"type": "WarmupLR", "params": {"warmup_min_lr": "auto", "warmup_max_lr": "auto",
                           "warmup_num_steps": "auto"}},
             "zero_optimization": {"stage": 3,
                "offload_optimizer": {"device": "cpu", "pin_memory": true},
                "offload_param": {"device": "cpu", "pin_memory": true},
                "overlap_comm": true, "contiguous_gradients": true, "sub_group_size": 1e9,
                "reduce_bucket_size": "auto", "stage3_prefetch_bucket_size": "auto",
                "stage3_param_persistence_threshold": "auto", "stage3_max_live_parameters": 1e9,
                "stage3_max_reuse_distance": 1e9, "stage3_gather_16bit_weights_on_model_save": true},
             "gradient_accumulation_steps": "auto", "gradient_clipping": "auto", "steps_per_print": 2000,
             "train_batch_size": "auto", "train_micro_batch_size_per_gpu": "auto", "wall_clock_breakdown": false}
            """;

    private static DeepSpeedFile read(String json) {
        return DeepSpeedFile.of("ds.json", Json.toMap(Json.parseObject(json, "ds.json")));
    }

    @Test
    void readsTheFileThatTransformersDocuments(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("ds_config.json");
        Files.writeString(file, STAGE_3);
        assertEquals(
                Map.of(
                        "zero_stage", 3,
                        "offload_optimizer", "cpu",
                        "offload_param", "cpu",
                        "optim", "adamw",
                        "lr_scheduler_type", "constant_with_warmup"),
                DeepSpeedFile.read(file).values());
    }

    @Test
    void theDiskIsTheDirectoryOfItsPath() {
        DeepSpeedFile file = read("""
                {"zero_optimization": {"stage": 3,
                  "offload_optimizer": {"device": "nvme", "nvme_path": "/disk/states", "pin_memory": true, "buffer_count": 4},
                  "offload_param": {"device": "nvme", "nvme_path": "/disk/weights", "max_in_cpu": 1e9}},
                 "aio": {"block_size": 262144}}
                """);
        assertEquals("/disk/states", file.values().get("offload_optimizer"));
        assertEquals("/disk/weights", file.values().get("offload_param"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"train_batch_size\": 32, \"train_micro_batch_size_per_gpu\": 4}|4|8",
                "{\"train_batch_size\": 32, \"train_micro_batch_size_per_gpu\": 4, \"gradient_accumulation_steps\": 2}|4|8",
                "{\"train_batch_size\": 8}|8|1",
                "{\"train_batch_size\": 8, \"gradient_accumulation_steps\": 2}|4|2",
                "{\"train_micro_batch_size_per_gpu\": 4, \"gradient_accumulation_steps\": 2}|4|2"
            })
    void anUpdateHasTheSamplesOfTheFileOnAnyNumberOfDevices(String json, int batch, int accumulation) {
        Map<String, Object> values = read(json).values();
        assertEquals(batch, values.get("per_device_train_batch_size"));
        assertEquals(accumulation, values.get("gradient_accumulation_steps"));
    }

    @Test
    void optimizerScheduleAndClippingBecomeOurKeys() {
        DeepSpeedFile file = read("""
                {"optimizer": {"type": "Adam", "params": {"lr": 3e-4, "betas": [0.8, "auto"], "weight_decay": 0.1,
                  "adam_w_mode": false}},
                 "scheduler": {"type": "WarmupDecayLR", "params": {"warmup_num_steps": 10, "total_num_steps": 100,
                  "warmup_max_lr": 3e-4, "warmup_type": "linear"}},
                 "gradient_clipping": 0.5, "bf16": {"enabled": true}}
                """);
        assertEquals("adam", file.values().get("optim"));
        assertEquals(0.8, file.values().get("adam_beta1"));
        assertTrue(!file.values().containsKey("adam_beta2"));
        assertEquals("linear", file.values().get("lr_scheduler_type"));
        assertEquals(10, file.values().get("warmup_steps"));
        assertEquals(100, file.values().get("max_steps"));
        assertEquals(0.5, file.values().get("max_grad_norm"));
        assertEquals(true, file.values().get("bf16"));
        assertEquals("gradient_clipping", file.place("max_grad_norm"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"zero_optimization\": {\"stage\": 4}}|'stage' is 4, expected a whole number from 0 to 3",
                "{\"zero_optimization\": {\"stag\": 2}}|'zero_optimization.stag' is not known; did you mean 'stage'?",
                "{\"zero_optimization\": {\"offload_optimizer\": {\"device\": \"disk\"}}}|'zero_optimization.offload_optimizer.device' is disk",
                "{\"zero_optimization\": {\"offload_param\": {\"device\": \"nvme\"}}}|'zero_optimization.offload_param.nvme_path' is missing",
                "{\"zero_optimization\": {\"zero_quantized_weights\": true}}|'zero_optimization.zero_quantized_weights' cannot be used",
                "{\"zero_optimization\": 3}|'zero_optimization' is 3, expected an object",
                "{\"optimizer\": {\"type\": \"OneBitAdam\"}}|'optimizer.type' is OneBitAdam",
                "{\"optimizer\": {\"type\": \"AdamWW\"}}|did you mean 'AdamW'?",
                "{\"scheduler\": {\"type\": \"OneCycle\"}}|'scheduler.type' is OneCycle",
                "{\"scheduler\": {\"params\": {\"warmup_type\": \"log\"}}}|'scheduler.params.warmup_type' cannot be used",
                "{\"fp16\": {\"enabled\": true}}|'fp16.enabled' cannot be used: there is no loss scaling",
                "{\"train_batch_size\": 7, \"train_micro_batch_size_per_gpu\": 2}|'train_batch_size' is 7",
                "{\"gradient_clipping\": \"much\"}|'gradient_clipping' is much, expected a number",
                "{\"sparse_attention\": {\"mode\": \"fixed\"}}|'sparse_attention' cannot be used"
            })
    void refusesByNameWhatThereIsNot(String json, String part) {
        UserErrorException e = assertThrows(UserErrorException.class, () -> read(json));
        assertTrue(e.getMessage().startsWith("ds.json") && e.getMessage().contains(part), e.getMessage());
        assertTrue(e.getMessage().lines().count() == 1, e.getMessage());
    }

    @Test
    void whatIsTurnedOffMayBeThere() {
        assertEquals(
                Map.of(),
                read("{\"wandb\": {\"enabled\": false}, \"amp\": {\"enabled\": false}}")
                        .values());
    }
}
