package org.finetune4j.cli;

import static org.finetune4j.cli.CommandRun.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConvertConfigCommandTest {

    private static final String LLAMA_FACTORY = """
            model_name_or_path: meta-llama/Llama-3.2-1B
            finetuning_type: lora
            template: llama3
            dataset: first,second
            eval_dataset: third
            output_dir: saves
            """;

    private static final String AXOLOTL = """
            base_model: meta-llama/Llama-3.2-1B
            adapter: lora
            lora_target_linear: true
            datasets: [{path: train.jsonl, type: alpaca}]
            learning_rate: 0.0002
            """;

    @TempDir
    Path directory;

    private Path file;

    @BeforeEach
    void place() {
        file = directory.resolve("theirs.yaml");
    }

    private CommandRun convert(String text, String... options) throws IOException {
        Files.writeString(file, text);
        return CommandRun.of(concat(List.of("convert-config", file.toString()), List.of(options)));
    }

    private static String[] concat(List<String> first, List<String> second) {
        return Stream.concat(first.stream(), second.stream()).toArray(String[]::new);
    }

    private Map<String, Object> converted(String text) throws IOException {
        Path target = directory.resolve("ours.yaml");
        CommandRun run = convert(text, "--output", target.toString());
        assertEquals(0, run.exitCode(), run.toString());
        return TrainingConfig.parse(target);
    }

    @ParameterizedTest
    @CsvSource({
        "r, 8",
        "lora_alpha, 16",
        "target_modules, all-linear",
        "max_length, 2048",
        "train_on, assistant",
        "prompt_template, chat",
        "chat_template, llama3",
        "gradient_checkpointing, true",
        "learning_rate, 5.0E-5",
        "dataset_info, data/dataset_info.json",
        "dataset, '[first, second]'",
        "eval_dataset, '[third]'",
    })
    void llamaFactorysDefaultsAreWrittenOut(String key, String value) throws IOException {
        assertEquals(value, String.valueOf(converted(LLAMA_FACTORY).get(key)));
    }

    @ParameterizedTest
    @CsvSource({
        "num_train_epochs, 1",
        "per_device_train_batch_size, 1",
        "lr_scheduler_type, cosine",
        "truncation, drop",
        "train_on, completions",
        "target_modules, all-linear",
        "datasets, '[{path=train.jsonl, format=alpaca}]'",
    })
    void axolotlsDefaultsAreWrittenOut(String key, String value) throws IOException {
        assertEquals(value, String.valueOf(converted(AXOLOTL).get(key)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "mask_history: true                            | train_on             | last_turn",
                "train_on_prompt: true                         | train_on             | all",
                "neat_packing: true                            | packing              | true",
                "lora_target: q_proj,v_proj                    | target_modules       | [q_proj, v_proj]",
                "lora_rank: 64                                 | lora_alpha           | 128",
                "additional_target: embed_tokens,lm_head       | modules_to_save      | [embed_tokens, lm_head]",
                "pissa_init: true                              | init_lora_weights    | pissa",
                "quantization_bit: 4                           | bnb_4bit_quant_type  | nf4",
                "quantization_bit: 4                           | bnb_4bit_use_double_quant | true",
                "quantization_bit: 8                           | load_in_8bit         | true",
                "val_size: 0.1                                 | eval_fraction        | 0.1",
                "use_galore: true                              | optim_args           | {rank=16, update_proj_gap=200, scale=2.0}",
                "{use_apollo: true, apollo_scale_type: tensor} | optim                | apollo_adamw",
                "use_adam_mini: true                           | optim                | adam_mini",
                "finetuning_type: oft                          | oft_block_size       | 32",
                "disable_shuffling: true                       | shuffle              | false",
                "{stage: dpo, pref_loss: simpo}                | stage                | simpo",
                "{stage: dpo, pref_loss: simpo}                | simpo_gamma          | 0.5",
                "{stage: dpo, pref_ftx: 0.2}                   | rpo_alpha            | 0.2",
                "{stage: dpo, dpo_label_smoothing: 0.1}        | loss_type            | cdpo",
                "{stage: kto, kto_rejected_weight: 2.0}        | undesirable_weight   | 2.0",
                "{stage: ppo, reward_model: out/rm}            | reward_model_path    | out/rm",
                "{finetuning_type: freeze, freeze_trainable_layers: 3} | freeze_layers | -3",
            })
    void whatLlamaFactorySaysIsSaidInOurWords(String said, String key, String value) throws IOException {
        Map<String, Object> theirs = TrainingConfig.parse(write(LLAMA_FACTORY));
        theirs.putAll(TrainingConfig.parse(write(said)));
        assertEquals(
                value,
                String.valueOf(converted(TrainingConfig.YAML.writeValueAsString(theirs))
                        .get(key)));
    }

    private Path write(String text) throws IOException {
        return Files.writeString(directory.resolve("part.yaml"), text);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "num_epochs: 4                                 | num_train_epochs     | 4",
                "optimizer: adamw_bnb_8bit                     | optim                | adamw_bnb_8bit",
                "sample_packing: true                          | packing              | true",
                "train_on_inputs: true                         | train_on             | all",
                "lora_r: 32                                    | r                    | 32",
                "peft_use_dora: true                           | use_dora             | true",
                "gradient_checkpointing: offload               | activation_offloading | true",
                "{adapter: qlora, load_in_4bit: true}          | bnb_4bit_quant_type  | nf4",
                "{val_set_size: 0.05, evals_per_epoch: 4}      | eval_steps           | 0.25",
                "{rl: dpo, rl_beta: 0.2}                       | beta                 | 0.2",
                "{rl: ipo}                                     | loss_type            | ipo",
                "{chat_template: qwen_25, datasets: [{path: a.jsonl, type: chat_template}]} | train_on | assistant",
                "{datasets: [{path: a.jsonl, type: {field_instruction: q, field_output: a, format: '[I] {instruction}'}}]}"
                        + " | datasets | '[{path=a.jsonl, templates=[{inputs=[I] {q}, targets={a}}]}]'",
            })
    void whatAxolotlSaysIsSaidInOurWords(String said, String key, String value) throws IOException {
        Map<String, Object> theirs = TrainingConfig.parse(write(AXOLOTL));
        theirs.putAll(TrainingConfig.parse(write(said)));
        String expected = value.replaceAll("^'|'$", "");
        String ours = String.valueOf(
                converted(TrainingConfig.YAML.writeValueAsString(theirs)).get(key));
        assertEquals(expected, ours);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "shift_attn: true        | 'shift_attn'",
                "use_badam: true         | BAdam",
                "quantization_bit: 3     | 4 or 8 bits",
                "finetuning_type: other  | 'other'",
                "stage: sleep            | 'sleep'",
                "adapter_name_or_path: a | ./finetune merge",
                "lora_rnak: 8            | unknown key 'lora_rnak'",
                "mix_strategy: interleave_under | mixture_temperature",
                "{stage: dpo, pref_loss: kto_pair} | kto_pair",
            })
    void whatCannotBeCarriedOverIsRefusedByName(String said, String expected) throws IOException {
        Map<String, Object> theirs = TrainingConfig.parse(write(LLAMA_FACTORY));
        theirs.putAll(TrainingConfig.parse(write(said)));
        assertRefused(convert(TrainingConfig.YAML.writeValueAsString(theirs)), expected, file.toString());
    }

    @Test
    void everythingThatCannotBeCarriedOverIsNamedAtOnce() throws IOException {
        assertRefused(
                convert(AXOLOTL.replace("train.jsonl", "org/data") + "relora: true\nsequence_parallel_degree: 2\n"),
                "'datasets[0]' (org/data is no file",
                "'relora'",
                "'sequence_parallel_degree'");
    }

    @Test
    void aFileOfOnesOwnTakesThePlaceOfTheirData() throws IOException {
        CommandRun run = convert(AXOLOTL.replace("train.jsonl", "org/data"), "--train-file", "mine.jsonl");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(run.out().contains("- path: mine.jsonl"), run.toString());
        assertTrue(run.out().contains("  format: alpaca"), "it is read as theirs: " + run);
        assertFalse(run.toString().contains("org/data"), run.toString());
    }

    @Test
    void conversationsOfOnesOwnAreAskedInTheChatTemplate() throws IOException {
        String theirs = AXOLOTL.replace("train.jsonl", "org/data").replace("type: alpaca", "type: chat_template");
        CommandRun run = convert(theirs, "--train-file", "mine.jsonl");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(run.out().contains("prompt_template: chat"), run.toString());
        assertTrue(run.out().contains("train_on: assistant"), run.toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "rl: dpo; sample_packing: false|stage|dpo",
                "reward_model: true; num_labels: 1|stage|rm",
                "batch_size: 16; micro_batch_size: 4|gradient_accumulation_steps|4",
                "lr_scheduler: cosine; cosine_min_lr_ratio: 0.1|lr_scheduler_type|cosine_with_min_lr",
                "lr_scheduler: cosine; cosine_min_lr_ratio: 0.1|lr_scheduler_kwargs|{min_lr_rate=0.1}",
                "fsdp: [full_shard, auto_wrap]; fsdp_config: {fsdp_offload_params: true}|zero_stage|3",
                "deepspeed: deepspeed_configs/zero2.json|zero_stage|2",
                "load_in_4bit: true; bnb_config_kwargs: {bnb_4bit_use_double_quant: false}|bnb_4bit_use_double_quant|false",
                "rl: kto; micro_batch_size: 1; gradient_accumulation_steps: 8|per_device_train_batch_size|2",
                "rl: kto; micro_batch_size: 1; gradient_accumulation_steps: 8|gradient_accumulation_steps|4",
                "special_tokens: {eos_token: </s>}; save_only_model: true|method|lora",
            })
    void whatExamplesOfAxolotlSayIsCarriedOver(String lines, String key, String value) throws IOException {
        assertEquals(
                value,
                String.valueOf(
                        converted(AXOLOTL + lines.replace("; ", "\n") + "\n").get(key)));
    }

    @ParameterizedTest
    @CsvSource({
        "deepspeed: examples/deepspeed/ds_z3_config.json, zero_stage, 3",
        "deepspeed: examples/deepspeed/ds_z3_offload_config.json, offload_param, cpu",
        "moe_aux_loss_coef: 0.01, router_aux_loss_coef, 0.01",
        "ray_num_workers: 4, method, lora",
        "save_only_model: true, method, lora"
    })
    void whatExamplesOfLlamaFactorySayIsCarriedOver(String line, String key, String value) throws IOException {
        assertEquals(
                value, String.valueOf(converted(LLAMA_FACTORY + line + "\n").get(key)));
    }

    @Test
    void lorasKeysThatAreLeftBehindInAFullTrainingSayNothing() throws IOException {
        String theirs = AXOLOTL.replace("adapter: lora\nlora_target_linear: true\n", "lora_r: 8\nlora_dropout: 0.1\n");
        assertEquals("full", converted(theirs).get("method"));
    }

    @Test
    void whoseConfigurationItIsHasToBeSaidWhereNoKeyTells() throws IOException {
        assertRefused(convert("learning_rate: 1e-4\n"), "--from names it");
        assertRefused(convert("learning_rate: 1e-4\n", "--from", "axolotel"), "axolotl");
    }

    @Test
    void aRefusedConversionLeavesNoFile() throws IOException {
        Path target = directory.resolve("none.yaml");
        assertRefused(convert(LLAMA_FACTORY + "use_llama_pro: true\n", "--output", target.toString()), "blocks");
        assertFalse(Files.exists(target));
    }

    /** LLaMA-Factory packs the texts of its stage pt when nothing is said. */
    @ParameterizedTest
    @CsvSource({"'', true", "'packing: true', true", "'packing: false', false", "'neat_packing: true', true"})
    void textsAreJoinedInRowsAsLlamaFactoryDoesIt(String line, boolean packed) throws IOException {
        assertEquals(
                packed, converted(LLAMA_FACTORY + "stage: pt\n" + line + "\n").get("packing"));
    }

    /** One text is PEFT's regular expression for the whole path, not the end of a name. */
    @ParameterizedTest
    @CsvSource({
        "'\"model.layers.[\\\\d]+.(mlp|self_attn).(up|q)_proj\"', 'model.layers.[\\d]+.(mlp|self_attn).(up|q)_proj'",
        "q_proj, [q_proj]",
        "'[q_proj, v_proj]', '[q_proj, v_proj]'"
    })
    void aPatternOfAxolotlsStaysOne(String said, String targets) throws IOException {
        String text = AXOLOTL.replace("lora_target_linear: true", "lora_target_modules: " + said);
        assertEquals(targets, String.valueOf(converted(text).get("target_modules")));
    }

    @Test
    void datasetsThatAreNoListAreRefusedByTheirName() throws IOException {
        assertRefused(convert("base_model: m\nadapter: lora\ndatasets: 5\n"), "'datasets'", "a list of entries");
        assertRefused(convert("base_model: m\nadapter: lora\ndatasets: [5]\n"), "'datasets[0]'", "a list of entries");
    }
}
