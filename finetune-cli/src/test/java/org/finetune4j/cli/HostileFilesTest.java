package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.Device;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whatever is in a file, a command ends: done, or with exit code 2 and one line that can be read. Hundreds of files are made
 * hostile by fixed random numbers. {@code -Dfinetune4j.hostile.cases=5000 -Dfinetune4j.hostile.seed=7} tries others, and
 * {@code -Dfinetune4j.hostile.sweep=config.json} every hostile value for every key of a file.
 */
@Tag("slow")
class HostileFilesTest {

    private static final int CASES = Integer.getInteger("finetune4j.hostile.cases", 300);
    private static final int SEED = Integer.getInteger("finetune4j.hostile.seed", 1);
    private static final @Nullable String SWEEP = System.getProperty("finetune4j.hostile.sweep");
    private static final int ONLY = Integer.getInteger("finetune4j.hostile.only", -1);

    private static final String CONFIG = """
            model_name_or_path: %s
            train_file: %s
            method: lora
            r: 4
            lora_alpha: 8
            lora_dropout: 0.1
            target_modules: [q_proj, v_proj]
            modules_to_save: []
            rank_pattern: {q_proj: 2}
            init_lora_weights: true
            use_dora: false
            learning_rate: 1e-3
            lr_scheduler_type: cosine
            optim: adamw
            adam_beta1: 0.9
            weight_decay: 0.01
            max_grad_norm: 1
            warmup_ratio: 0.1
            label_smoothing_factor: 0
            neftune_noise_alpha: 0
            gradient_checkpointing: false
            gradient_accumulation_steps: 1
            per_device_train_batch_size: 2
            per_device_eval_batch_size: 2
            dataloader_num_workers: 1
            dataloader_prefetch_factor: 2
            num_train_epochs: 1
            packing: false
            max_length: 64
            truncation: error
            eval_steps: 1
            eval_fraction: 0.3
            ema_decay: 0.5
            z_loss: 0
            threads: 1
            deduplicate: false
            statistics_steps: 1
            eval_max_new_tokens: 2
            save_total_limit: 1
            seed: 1
            dtype: float32
            report_to: none
            num_preview_samples: 1
            """;

    private static final String TEMPLATE = """
            {%- for message in messages %}
            {{- message['role'] + ': ' + message['content'] | trim + '\\n' }}
            {%- if message.tool_calls is defined %}{{ message.tool_calls | tojson }}{% endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}
            """;

    private static final String MESSAGES = """
            {"messages": [{"role": "user", "content": "Where is Tom?"}, {"role": "assistant", "content": "In Oslo."}]}
            {"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "And Ann?"}, \
            {"role": "assistant", "content": "In Rome."}]}
            {"messages": [{"role": "user", "content": "Who is here?"}, {"role": "assistant", "content": "Nobody."}]}
            """;

    private static final String GENERATION = """
            {"max_new_tokens": 3, "do_sample": true, "temperature": 0.7, "top_k": 5, "top_p": 0.9, "eos_token_id": [0],
             "pad_token_id": 1, "num_return_sequences": 1, "num_beams": 1, "repetition_penalty": 1.1, "min_p": 0.01,
             "no_repeat_ngram_size": 0, "length_penalty": 1.0, "typical_p": 1.0, "min_new_tokens": 1, "max_length": 20}
            """;

    @TempDir
    Path directory;

    private List<HostileCommands.Target> targets() throws IOException {
        TrainingFiles files = new TrainingFiles(directory);
        Path model = files.model;
        shrink(model);
        TrainingFiles.write(files.config, CONFIG.formatted(model, files.data));
        TrainingFiles.write(files.data, MESSAGES);
        TrainingFiles.write(model.resolve("chat_template.jinja"), TEMPLATE);
        TrainingFiles.write(model.resolve("generation_config.json"), GENERATION);
        TrainingFiles.write(model.resolve("added_tokens.json"), "{\"<|endoftext|>\": 0}");
        TrainingFiles.write(
                model.resolve("special_tokens_map.json"), "{\"eos_token\": {\"content\": \"<|endoftext|>\"}}");
        String adapter = files.output.toString();
        List<String> validate = List.of("validate", files.config.toString(), "output_dir=" + directory.resolve("v"));
        List<String> train =
                List.of("train", files.config.toString(), "output_dir=" + directory.resolve("t"), "max_steps=1");
        CommandRun trained = files.train("output_dir=" + adapter, "max_steps=1");
        assertEquals(0, trained.exitCode(), trained.toString());
        Path index = shard(model, directory.resolve("sharded"));
        List<String> plain =
                List.of("generate", "--model", model.toString(), "--prompt", "Tom", "--max-new-tokens", "2");
        List<String> byFile = List.of("generate", "--model", model.toString(), "--prompt", "Tom", "--json");
        List<String> chat =
                List.of("generate", "--model", model.toString(), "--chat", "--prompt", "Tom", "--max-new-tokens", "2");
        List<String> adapted = List.of(
                "generate",
                "--model",
                model.toString(),
                "--adapter",
                adapter,
                "--prompt",
                "Tom",
                "--max-new-tokens",
                "2");
        List<String> merge = List.of(
                "merge",
                "--model",
                model.toString(),
                "--adapter",
                adapter,
                "--output",
                directory.resolve("m").toString());
        List<String> export = List.of(
                "export",
                "--model",
                model.toString(),
                "--output",
                directory.resolve("m.gguf").toString());
        List<String> sharded = List.of(
                "generate", "--model", index.getParent().toString(), "--prompt", "Tom", "--max-new-tokens", "2");
        return List.of(
                new HostileCommands.Target(
                        model.resolve("config.json"), Mutations::json, List.of(plain, train, export, validate)),
                new HostileCommands.Target(
                        model.resolve("model.safetensors"), Mutations::safetensors, List.of(plain, export)),
                new HostileCommands.Target(index, Mutations::json, List.of(sharded)),
                new HostileCommands.Target(
                        model.resolve("tokenizer.json"), Mutations::json, List.of(plain, validate, export)),
                new HostileCommands.Target(
                        model.resolve("added_tokens.json"), Mutations::json, List.of(plain, chat, validate)),
                new HostileCommands.Target(
                        model.resolve("tokenizer_config.json"), Mutations::json, List.of(chat, validate, merge)),
                new HostileCommands.Target(
                        model.resolve("special_tokens_map.json"), Mutations::json, List.of(chat, validate)),
                new HostileCommands.Target(model.resolve("generation_config.json"), Mutations::json, List.of(byFile)),
                new HostileCommands.Target(
                        model.resolve("chat_template.jinja"), Mutations::text, List.of(chat, validate)),
                new HostileCommands.Target(
                        files.output.resolve("adapter_config.json"), Mutations::json, List.of(adapted, merge)),
                new HostileCommands.Target(
                        files.output.resolve("adapter_model.safetensors"),
                        Mutations::safetensors,
                        List.of(adapted, merge)),
                new HostileCommands.Target(files.data, Mutations::lines, List.of(validate, train)),
                new HostileCommands.Target(files.config, Mutations::yaml, List.of(validate, train)));
    }

    static void shrink(Path model) throws IOException {
        Path config = model.resolve("config.json");
        for (String[] edit : new String[][] {
            {"\"num_hidden_layers\" : 4", "\"num_hidden_layers\" : 2"},
            {"\"hidden_size\" : 192", "\"hidden_size\" : 24"},
            {"\"intermediate_size\" : 512", "\"intermediate_size\" : 32"}
        }) {
            TrainingFiles.edit(config, edit[0], edit[1]);
        }
        try (CausalLM small = CausalLM.initialize(ModelConfig.load(model), null, Device.CPU, 1)) {
            byte[] text = Files.readAllBytes(config);
            small.save(model);
            Files.write(config, text);
        }
    }

    private static Path shard(Path model, Path sharded) throws IOException {
        Files.createDirectories(sharded);
        for (String name : List.of("config.json", "tokenizer.json")) {
            Files.copy(model.resolve(name), sharded.resolve(name));
        }
        byte[] weights = Files.readAllBytes(model.resolve("model.safetensors"));
        Files.write(sharded.resolve("model-00001-of-00001.safetensors"), weights);
        String header = new String(weights, 8, weights[0] & 0xff | (weights[1] & 0xff) << 8, StandardCharsets.UTF_8);
        StringBuilder map = new StringBuilder();
        java.util.regex.Matcher names = java.util.regex.Pattern.compile("\"((?:model|lm_head)[^\"]*)\":")
                .matcher(header);
        while (names.find()) {
            map.append(map.isEmpty() ? "" : ",")
                    .append('"')
                    .append(names.group(1))
                    .append("\":\"model-00001-of-00001.safetensors\"");
        }
        Path index = sharded.resolve("model.safetensors.index.json");
        Files.writeString(index, "{\"metadata\":{\"total_size\":1},\"weight_map\":{" + map + "}}");
        return index;
    }

    @Test
    void everyCommandEndsDoneOrWithOneLineThatSaysWhatIsWrong() throws Exception {
        HostileCommands commands = new HostileCommands(directory, SEED);
        List<HostileCommands.Target> targets = targets();
        for (HostileCommands.Target target : targets) {
            commands.requireGood(target);
        }
        int refused = commands.attack(targets, CASES, ONLY);
        if (SWEEP != null) {
            for (HostileCommands.Target target : targets) {
                if (target.file().endsWith(SWEEP)) {
                    commands.sweep(target);
                }
            }
        }
        commands.requireNoFaults();
        assertTrue(ONLY >= 0 || refused >= CASES / 4, "only " + refused + " files were hostile enough to be refused");
    }
}
