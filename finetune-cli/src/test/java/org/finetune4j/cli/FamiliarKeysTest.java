package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.supervised.TrainOn;
import org.finetune4j.train.arguments.StepInterval;
import org.finetune4j.train.stage.SupervisedFineTuning;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every key of transformers' TrainingArguments, TRL's configurations and PEFT's configurations
 * is obeyed or refused by its name with a reason. The lists were written by transformers 5.18, TRL 1.13 and PEFT 0.21.
 */
class FamiliarKeysTest {

    private static final Map<String, Map<String, Object>> REFERENCE = reference();

    /** The configurations of PEFT whose methods are built here. */
    private static final Map<String, String> METHODS = Map.ofEntries(
            Map.entry("peft.LoraConfig", "lora"),
            Map.entry("peft.AdaLoraConfig", "adalora"),
            Map.entry("peft.IA3Config", "ia3"),
            Map.entry("peft.LNTuningConfig", "ln_tuning"),
            Map.entry("peft.LoHaConfig", "loha"),
            Map.entry("peft.LoKrConfig", "lokr"),
            Map.entry("peft.VeraConfig", "vera"),
            Map.entry("peft.PrefixTuningConfig", "prefix_tuning"),
            Map.entry("peft.PromptTuningConfig", "prompt_tuning"),
            Map.entry("peft.PromptEncoderConfig", "p_tuning"),
            Map.entry("peft.MultitaskPromptTuningConfig", "multitask_prompt_tuning"),
            Map.entry("peft.OFTConfig", "oft"),
            Map.entry("peft.BOFTConfig", "boft"),
            Map.entry("peft.MissConfig", "miss"),
            Map.entry("peft.RandLoraConfig", "randlora"),
            Map.entry("peft.RoadConfig", "road"),
            Map.entry("peft.DeloraConfig", "delora"),
            Map.entry("peft.HiraConfig", "hira"),
            Map.entry("peft.C3AConfig", "c3a"),
            Map.entry("peft.ShiraConfig", "shira"),
            Map.entry("peft.GraloraConfig", "gralora"),
            Map.entry("peft.VBLoRAConfig", "vblora"),
            Map.entry("peft.TrainableTokensConfig", "trainable_tokens"),
            Map.entry("peft.HRAConfig", "hra"),
            Map.entry("peft.FourierFTConfig", "fourierft"));

    /** The configurations of TRL that are stages here. */
    private static final Map<String, String> STAGES = Map.of(
            "DPOConfig", "dpo", "KTOConfig", "kto", "RewardConfig", "rm", "GRPOConfig", "grpo", "RLOOConfig", "rloo");

    private static Map<String, Map<String, Object>> reference() {
        try (InputStream in = FamiliarKeysTest.class.getResourceAsStream("reference-keys.json")) {
            Map<String, Map<String, Object>> reference = new LinkedHashMap<>();
            TestJson.read(in).properties().forEach(kind -> reference.put(kind.getKey(), Json.toMap(kind.getValue())));
            return reference;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    static Set<String> configurations() {
        return REFERENCE.keySet();
    }

    private static Settings settings(String method, Map<String, ?> given) {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("model_name_or_path", "model");
        values.put("output_dir", "out");
        values.put("train_file", "data.jsonl");
        if (method.equals("prefix_tuning") || method.endsWith("prompt_tuning") || method.equals("p_tuning")) {
            values.put("num_virtual_tokens", 4);
        }
        if (method.equals("trainable_tokens")) {
            values.put("token_indices", List.of(4));
        }
        if (!given.containsKey("peft_type") && !given.containsKey("use_peft")) {
            values.put("method", method);
        }
        values.putAll(given);
        return TrainingConfig.with("a.yaml", values, List.of());
    }

    private static SupervisedFineTuning supervised(TrainingSettings training) {
        return (SupervisedFineTuning) training.data().stage();
    }

    private static TrainingSettings training(Map<String, ?> given) {
        return TrainingSettings.of(settings("lora", given));
    }

    private static String problem(String method, String key, Object value) {
        return problem("", method, key, value);
    }

    /** What a key with this value is told in a configuration of TRL, or null where it is accepted. */
    private static String problem(String configuration, String method, String key, Object value) {
        Map<String, Object> given = new LinkedHashMap<>();
        String stage = STAGES.getOrDefault(configuration, "sft");
        given.put("stage", stage);
        if (stage.equals("grpo") || stage.equals("rloo")) {
            given.put("reward_funcs", List.of("exact_match"));
        }
        given.put(key, value);
        try {
            TrainingSettings.of(settings(method, given));
            return null;
        } catch (UserErrorException e) {
            return e.getMessage();
        }
    }

    /** Another value of the same type. */
    private static Object other(Object value) {
        if (value instanceof Boolean flag) {
            return !flag;
        }
        if (value instanceof Number number) {
            return number.doubleValue() + 1;
        }
        return "something";
    }

    @ParameterizedTest
    @MethodSource("configurations")
    void everyKeyIsObeyedOrRefusedByItsName(String configuration) {
        String method = METHODS.getOrDefault(configuration, "lora");
        List<String> wrong = new ArrayList<>();
        REFERENCE.get(configuration).forEach((key, standard) -> {
            for (Object value : new Object[] {standard, other(standard)}) {
                String problem = value == null ? null : problem(configuration, method, key, value);
                if (problem != null && (!problem.contains(key) || problem.contains("unknown key"))) {
                    wrong.add(key + "=" + value + ": " + problem);
                }
            }
        });
        assertEquals(List.of(), wrong);
    }

    @ParameterizedTest
    @MethodSource("configurations")
    void defaultsThatSayWhatIsDoneAnywayAreAccepted(String configuration) {
        // PEFT ignores r for AdaLoRA, nothing is quantised without load_in_4bit, and to train no token's row is to
        // train nothing.
        // TRL turns dropouts off by default in some stages; here nobody does that.
        Set<String> unused = Set.of("disable_dropout", "bnb_4bit_quant_type", "r", "loftq_config", "token_indices");
        if (configuration.startsWith("peft.") && !METHODS.containsKey(configuration)) {
            return;
        }
        List<String> wrong = new ArrayList<>();
        REFERENCE.get(configuration).forEach((key, standard) -> {
            String problem = standard == null || unused.contains(key)
                    ? null
                    : problem(configuration, METHODS.getOrDefault(configuration, "lora"), key, standard);
            if (problem != null) {
                wrong.add(problem);
            }
        });
        assertEquals(List.of(), wrong);
    }

    @Test
    void aWholeDumpOfTrainingArgumentsIsAccepted() {
        Map<String, Object> all = new LinkedHashMap<>(REFERENCE.get("TrainingArguments"));
        all.put("output_dir", "out");
        TrainingSettings training = training(all);
        assertEquals("adamw", training.arguments().optimizer().name());
        assertEquals(StepInterval.NEVER, training.arguments().evaluation());
        assertEquals(StepInterval.every(500), training.arguments().checkpoints());
        assertEquals(StepInterval.every(500), training.reports().intervals().logging());
        assertEquals(List.of(), training.reports().reportTo());
    }

    @ParameterizedTest
    @CsvSource({
        "eval_strategy: steps, eval_steps: 20, 20",
        "eval_strategy: steps, logging_steps: 10, 10",
        "eval_strategy: steps, seed: 1, 500",
        "eval_strategy: epoch, eval_steps: 20, 0",
        "evaluation_strategy: epoch, seed: 1, 0",
        "eval_strategy: no, eval_steps: 20, Infinity",
        "eval_steps: 0.25, seed: 1, 0.25",
        "seed: 1, max_steps: 4, 0"
    })
    void evaluationsComeWhenStrategyAndStepsSay(String first, String second, double steps) {
        assertEquals(
                steps, training(yaml(first, second)).arguments().evaluation().steps());
    }

    @ParameterizedTest
    @CsvSource({
        "save_strategy: steps, save_steps: 20, 20",
        "save_strategy: epoch, save_steps: 20, 0",
        "save_strategy: no, seed: 1, Infinity",
        "save_steps: 50, seed: 1, 50"
    })
    void checkpointsComeWhenStrategyAndStepsSay(String first, String second, double steps) {
        assertEquals(
                steps, training(yaml(first, second)).arguments().checkpoints().steps());
    }

    private static Map<String, Object> yaml(String... lines) {
        Map<String, Object> values = new LinkedHashMap<>();
        for (String line : lines) {
            String[] parts = line.split(": ", 2);
            values.put(parts[0], TrainingConfig.value(line, parts[1]));
        }
        return values;
    }

    @Test
    void fewerWarmupStepsThanOneAreAShareOfAll() {
        assertEquals(0.1, training(Map.of("warmup_steps", 0.1)).arguments().warmupRatio());
        assertEquals(0, training(Map.of("warmup_steps", 0.1)).arguments().warmupSteps());
        assertEquals(10, training(Map.of("warmup_steps", 10.0)).arguments().warmupSteps());
        assertEquals(0.03, training(Map.of("warmup_ratio", 0.03)).arguments().warmupRatio());
        assertTrue(problem("lora", "warmup_steps", 1.5).contains("'warmup_steps' is 1.5, expected a whole number"));
    }

    @Test
    void namesOfTrlAreThoseOfTheConfiguration() {
        TrainingSettings training = training(yaml(
                "lora_target_modules: [q_proj, v_proj]",
                "lora_r: 4",
                "lora_modules_to_save: [norm]",
                "max_seq_length: 77",
                "truncation_mode: keep_end",
                "assistant_only_loss: true",
                "packing_strategy: bfd",
                "load_in_4bit: true",
                "use_bnb_nested_quant: true",
                "bnb_4bit_quant_type: nf4",
                "train_sampling_strategy: group_by_length"));
        assertEquals(4, training.strategy().settings().get("r"));
        assertEquals(77, training.data().maxLength());
        assertEquals("LEFT", training.data().truncation().name());
        assertEquals(TrainOn.ASSISTANT, supervised(training).trainOn());
        assertTrue(training.data().groupByLength());
        assertEquals(
                TrainOn.ALL,
                supervised(training(Map.of("completion_only_loss", false))).trainOn());
        assertFalse(training(Map.of("train_sampling_strategy", "sequential"))
                .arguments()
                .shuffle());
        assertEquals("full", training(Map.of("use_peft", false)).strategy().method());
        assertEquals("vera", training(Map.of("peft_type", "VERA")).strategy().method());
        assertEquals(
                "org/name@v1",
                training(yaml("model_name_or_path: org/name", "model_revision: v1"))
                        .modelNameOrPath());
        assertEquals(
                "org/name",
                training(yaml("model_name_or_path: org/name", "model_revision: main"))
                        .modelNameOrPath());
    }

    @Test
    void aLengthOfNullCutsNothingOff() {
        Map<String, Object> given = new LinkedHashMap<>();
        given.put("max_length", null);
        assertEquals(DataSettings.WHOLE, training(given).data().maxLength());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"adamw_torch", "adamw_torch_fused", "adamw_8bit", "paged_adamw_32bit", "adafactor", "lion_32bit"
            })
    void optimizersHaveTheirUsualNames(String name) {
        assertNull(problem("lora", "optim", name));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "bf16: true",
                "tf32: false",
                "report_to: [tensorboard]",
                "report_to: all",
                "report_to: none",
                "lr_scheduler_kwargs: '{\"num_cycles\": 2}'",
                "max_steps: -1",
                "target_modules: all-linear",
                "target_modules: '.*q_proj'",
                "gradient_checkpointing_kwargs: {use_reentrant: false}",
                "dataloader_pin_memory: false",
                "ddp_find_unused_parameters: false",
                "eval_strategy: no",
                "save_strategy: 'no'",
                "logging_first_step: true",
                "task_type: CAUSAL_LM",
                "dtype: auto",
                "torch_dtype: bfloat16",
                "attn_implementation: sdpa",
                "use_cpu: true",
                "disable_tqdm: true",
                "run_name: first"
            })
    void usualValuesAreAccepted(String line) {
        String scheduler = line.startsWith("lr_scheduler_kwargs") ? "cosine" : "linear";
        assertEquals(
                scheduler,
                training(yaml(line, "lr_scheduler_type: " + scheduler))
                        .arguments()
                        .schedule()
                        .schedulerType());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "fp16: true|'fp16' cannot be used: there is no loss scaling",
                "torch_compile: true|'torch_compile' cannot be used: nothing is compiled here",
                "report_to: wandb|'report_to' is wandb, and reports are files here; there are html, tensorboard",
                "optim: lomo|unknown optimizer 'lomo'; there are ",
                "lr_scheduler_type: greedy|unknown learning rate schedule 'greedy'; there are ",
                "save_strategy: best|'save_strategy' is best, expected steps, epoch or no",
                "eval_strategy: step|'eval_strategy' is step; there are no, steps, epoch; did you mean 'steps'?",
                "loging_steps: 5|unknown key 'loging_steps'; did you mean 'logging_steps'?",
                "assistant_only_los: true|unknown key 'assistant_only_los'; did you mean 'assistant_only_loss'?",
                "cutoff_len: 5|unknown key 'cutoff_len': here it is 'max_length'",
                "num_virtual_tokens: 5|'num_virtual_tokens' belongs to method prefix_tuning, prompt_tuning, p_tuning, multitask_prompt_tuning, ptuning_v2, and this is method lora",
                "xlora_depth: 4|'xlora_depth' belongs to method xlora, and this is method lora",
                "poly_type: poly|'poly_type' is a key of PEFT's PolyConfig, which is not built here",
                "rho: 2|'rho' is a key inside 'eva_config'",
                "method: poly|unknown method 'poly' ",
                "model_revision: v1|'model_revision' is for a model on the hub, and . is a directory here",
                "data_seed: 7|'data_seed' is 7, expected the value of seed, 42",
                "resume_from_checkpoint: out/checkpoint-5|'resume_from_checkpoint' is out/checkpoint-5, expected true, or the latest"
            })
    void othersAreRefusedByNameWithAReason(String line, String expected) {
        Map<String, Object> given = yaml(line);
        if (line.startsWith("model_revision")) {
            given.put("model_name_or_path", ".");
        }
        String message =
                assertThrows(UserErrorException.class, () -> training(given)).getMessage();
        assertTrue(message.startsWith("a.yaml: "), message);
        assertTrue(message.contains(expected), message);
        assertFalse(message.contains("?;") || message.contains("?."), message);
    }

    @Test
    void aKeyOfLoraWithFullFineTuningSaysWhoseItIs() {
        String message = problem("full", "r", 8);
        assertTrue(message.startsWith("a.yaml: 'r' belongs to method "), message);
        assertTrue(message.contains("lora") && message.endsWith(", and this is method full"), message);
    }

    @Test
    void aTokenIsNeverPrinted() {
        assertFalse(problem("lora", "hub_token", "hf_secret").contains("hf_secret"));
    }

    @Test
    void qloraIsLoraOnABaseInFourBits() {
        Map<String, Object> own = FamiliarKeys.translate(
                        new Settings("test", Map.of("method", "qlora", "bnb_4bit_use_double_quant", false)))
                .asMap();
        assertEquals(
                Map.of(
                        "method",
                        "lora",
                        "load_in_4bit",
                        true,
                        "bnb_4bit_quant_type",
                        "nf4",
                        "bnb_4bit_use_double_quant",
                        false),
                own);
    }

    @ParameterizedTest
    @CsvSource({"load_in_4bit, false", "load_in_8bit, true"})
    void qloraOnAnotherBaseIsAContradiction(String key, boolean value) {
        Settings given = new Settings("test", Map.of("method", "qlora", key, value));
        String message = assertThrows(UserErrorException.class, () -> FamiliarKeys.translate(given))
                .getMessage();
        assertTrue(message.contains("'method'") && message.contains("'" + key + "'"), message);
    }

    @Test
    void twoNamesForOneThingMayNotSayDifferentThings() {
        String message = assertThrows(UserErrorException.class, () -> training(Map.of("lora_r", 4, "r", 8)))
                .getMessage();
        assertEquals("a.yaml: 'lora_r' and 'r' say different things: give one of them", message);
        assertEquals(
                16,
                TrainingConfig.with("a.yaml", Map.of("lora_r", 4), List.of("r=16"))
                        .integer("r", 0));
    }

    @Test
    void theDocumentationShowsEveryKey() throws IOException {
        StringBuilder pages = new StringBuilder();
        for (String name : List.of("configuration", "preference", "reward", "policy")) {
            pages.append(Files.readString(Path.of("../docs/" + name + ".md")));
        }
        String page = pages.toString();
        Set<String> missing = new TreeSet<>();
        REFERENCE.forEach((configuration, keys) -> {
            if (!configuration.startsWith("peft.")) {
                keys.keySet().stream()
                        .filter(key -> !page.contains("`" + key + "`"))
                        .forEach(missing::add);
            }
        });
        REFERENCE.get("peft.LoraConfig").keySet().stream()
                .filter(key -> !page.contains("`" + key + "`"))
                .forEach(missing::add);
        ForeignKeys.names().stream()
                .filter(key -> !page.contains("| `" + key + "` | ") || !page.contains(ForeignKeys.reason(key)))
                .forEach(missing::add);
        assertEquals(Set.of(), missing);
    }
}
