package org.finetune4j.peft.promptlearning;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.data.PackedDataset;
import org.finetune4j.data.Sample;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.examples.LoadedExamples;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.GenerationSession;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.peft.prompt.MultitaskPromptTuning;
import org.finetune4j.peft.prompt.MultitaskPromptTuningConfig;
import org.finetune4j.peft.prompt.MultitaskPromptTuningMethod;
import org.finetune4j.peft.prompt.SourcePrompt;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Virtual tokens of several tasks: every row sees its own, whoever is beside it; new tasks start from those of others. */
class MultitaskPromptTest {

    private static final Path RECORDED = Path.of("src/test/resources/goldens/peft/llama/multitask");
    private static final Path QUICKSTART =
            Path.of("../finetune-cli/src/main/resources/org/finetune4j/cli/quickstart/model");
    private static final int[] FIRST = {5, 9, 17, 33, 4, 8};
    private static final int[] SECOND = {71, 12, 150};

    @TempDir
    Path directory;

    private static CausalLM model() {
        return CausalLM.load(PeftParityTest.BASES.resolve("llama"));
    }

    private static float[] logits(CausalLM model, ModelInputs inputs) {
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(inputs).toFloatArray();
        }
    }

    private static ModelInputs alone(int[] ids, int task) {
        return ModelInputs.of(ids).withTaskIds(new int[] {task});
    }

    @Test
    void everyRowSeesThePromptOfItsTask() {
        try (CausalLM model = model();
                Adapter adapter = AdapterFormat.load(model, RECORDED, false)) {
            assertEquals(2, model.tasks());
            float[] first = logits(model, alone(FIRST, 1));
            float[] second = logits(model, alone(SECOND, 0));
            int[] ids = IntStream.concat(Arrays.stream(FIRST), Arrays.stream(Arrays.copyOf(SECOND, FIRST.length)))
                    .toArray();
            byte[] mask = {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0};
            ModelInputs both = new ModelInputs(2, FIRST.length, ids, mask, null).withTaskIds(new int[] {1, 0});
            float[] together = logits(model, both);
            assertArrayEquals(first, Arrays.copyOf(together, first.length), 5e-5f);
            assertArrayEquals(second, Arrays.copyOfRange(together, first.length, first.length + second.length), 5e-5f);
            assertFalse(Arrays.equals(first, logits(model, alone(FIRST, 0))), "tasks differ");
        }
    }

    @Test
    void aTextBeginsWithThePromptOfItsTask() {
        try (CausalLM model = model();
                Adapter adapter = AdapterFormat.load(model, RECORDED, false)) {
            TextGenerator generator = TextGenerator.of(model);
            GenerationOptions one =
                    GenerationOptions.greedy(6).toBuilder().taskId(1).build();
            int[] answer =
                    generator.generate(List.of(FIRST), one, (row, token) -> {}).get(0);
            int[] all = FIRST;
            for (int i = 0; i < answer.length; i++) {
                float[] scores = logits(model, alone(all, 1));
                int vocabulary = scores.length / all.length;
                int from = scores.length - vocabulary;
                int likeliest = IntStream.range(0, vocabulary)
                        .reduce((a, b) -> scores[from + b] > scores[from + a] ? b : a)
                        .orElseThrow();
                assertEquals(likeliest, answer[i]);
                all = IntStream.concat(Arrays.stream(all), IntStream.of(answer[i]))
                        .toArray();
            }
            GenerationOptions beams = one.toBuilder().numBeams(2).build();
            assertFalse(generator
                    .generate(List.of(FIRST), beams, (row, token) -> {})
                    .isEmpty());
            try (GenerationSession session = generator.session()) {
                GenerationOptions zero = one.toBuilder().taskId(0).build();
                session.generate(FIRST, zero, text -> {});
                assertArrayEquals(
                        answer, session.generate(FIRST, one, text -> {}).tokens());
            }
        }
    }

    @Test
    void whoDoesNotSayATaskOrSaysOneThatIsNotThereIsTold() {
        try (CausalLM model = model();
                Adapter adapter = AdapterFormat.load(model, RECORDED, false)) {
            refused("do not say which", () -> logits(model, ModelInputs.of(FIRST)));
            refused("task_id is 2", () -> logits(model, alone(FIRST, 2)));
            TextGenerator generator = TextGenerator.of(model);
            GenerationOptions none = GenerationOptions.greedy(2);
            refused("task_id is not there", () -> generator.generate(List.of(FIRST), none, (row, token) -> {}));
            GenerationOptions third = none.toBuilder().taskId(2).build();
            refused("tasks 0 to 1", () -> generator.generate(List.of(FIRST), third, (row, token) -> {}));
        }
    }

    private static void refused(String part, org.junit.jupiter.api.function.Executable run) {
        String message =
                String.valueOf(assertThrows(UserErrorException.class, run).getMessage());
        assertTrue(message.contains(part), message);
        assertEquals(1, message.lines().count(), message);
    }

    @Test
    void recordsSayTheirTasksAndOnlyTheirFactorsMove() throws IOException {
        Path file = directory.resolve("tasks.jsonl");
        Files.writeString(
                file,
                "{\"prompt\": \"Who?\", \"completion\": \" Tom\", \"task_id\": 2}\n"
                        + "{\"prompt\": \"Where?\", \"completion\": \" Oslo\", \"task_id\": 0}\n");
        LoadedExamples examples =
                LoadedExamples.open(DatasetSpec.of(file.toString()).build());
        assertTrue(examples.notes().stream().noneMatch(note -> note.contains("task_id")), "it is read");
        try (CausalLM model = CausalLM.load(QUICKSTART)) {
            SupervisedSamples samples = SupervisedSamples.of(
                    examples,
                    model.tokenizer(),
                    SupervisedOptions.builder().maxLength(64).tasks(3).build());
            assertArrayEquals(new float[] {2}, samples.get(0).columns().get(Sample.TASK));
            refused("for every token can be packed", () -> PackedDataset.of(samples, 64)
                    .get(0));
            refused("sequences", () -> Collator.of(model)
                    .withoutPadding()
                    .collate(List.of(samples.get(0), samples.get(1)))
                    .modelInputs());
            MultitaskPromptTuning method = MultitaskPromptTuning.of(
                    MultitaskPromptTuningConfig.of(4, 3).withRanks(2));
            FineTuner tuner = FineTuner.of(model)
                    .strategy(method)
                    .dataset(examples)
                    .arguments(TrainingArguments.builder()
                            .outputDirectory(directory.resolve("out"))
                            .maxSteps(2)
                            .perDeviceTrainBatchSize(2)
                            .learningRate(0.1)
                            .weightDecay(0)
                            .build());
            try (TrainingResult result = tuner.train()) {
                result.save(directory.resolve("adapter"));
            }
            float[] before;
            try (RandomGenerator.Use use = RandomGenerator.of(42).use();
                    AttachedStrategy fresh = method.attach(model)) {
                before = columns((Adapter) fresh);
            }
            float[] after;
            try (Adapter trained = AdapterFormat.load(model, directory.resolve("adapter"), false)) {
                after = columns(trained);
            }
            for (int task = 0; task < 3; task++) { // no record has the task 1
                boolean same = Arrays.equals(before, task * 8, task * 8 + 8, after, task * 8, task * 8 + 8);
                assertEquals(task == 1, same, "task " + task);
            }
        }
        refused("from 0 to 1", () -> two(examples));
    }

    /** [tasks, virtualTokens, ranks] */
    private static float[] columns(Adapter adapter) {
        return adapter.parametersByKey()
                .get(PromptAdapter.KEY_PREFIX + MultitaskEncoder.COLUMNS)
                .value()
                .toFloatArray();
    }

    /** Two tasks, where a record says 2. */
    private static void two(LoadedExamples examples) {
        try (CausalLM model = CausalLM.load(QUICKSTART)) {
            SupervisedSamples.of(
                            examples,
                            model.tokenizer(),
                            SupervisedOptions.builder().maxLength(64).tasks(2).build())
                    .get(0);
        }
    }

    @ParameterizedTest
    @CsvSource({"AVERAGE_SOURCE_TASKS", "EXACT_SOURCE_TASK", "ONLY_SOURCE_SHARED"})
    void aNewTaskStartsFromOthersAsInPeft(SourcePrompt.Part part) {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = model()) {
            Map<String, Tensor> source;
            try (Adapter adapter = AdapterFormat.load(model, RECORDED, false)) {
                source = values(adapter);
            }
            MultitaskPromptTuningConfig config =
                    MultitaskPromptTuningConfig.of(4, 1).startingFrom(new SourcePrompt(RECORDED, part, 1));
            try (Adapter adapter = (Adapter) MultitaskPromptTuning.of(config).attach(model)) {
                Map<String, Tensor> own = values(adapter);
                String shared = PromptAdapter.KEY_PREFIX + PromptEncoder.TABLE;
                assertArrayEquals(array(source, shared), array(own, shared));
                for (String name : List.of(MultitaskEncoder.COLUMNS, MultitaskEncoder.ROWS)) {
                    Tensor factors = source.get(PromptAdapter.KEY_PREFIX + name);
                    float[] actual = array(own, PromptAdapter.KEY_PREFIX + name);
                    switch (part) {
                        case AVERAGE_SOURCE_TASKS ->
                            assertArrayEquals(factors.mean(0, false).toFloatArray(), actual, 1e-7f);
                        case EXACT_SOURCE_TASK ->
                            assertArrayEquals(factors.select(0, 1).toFloatArray(), actual);
                        case ONLY_SOURCE_SHARED -> assertTrue(max(actual) > 0 && max(actual) < 0.12, "drawn with 0.02");
                    }
                }
            }
        }
    }

    private static Map<String, Tensor> values(Adapter adapter) {
        return adapter.parametersByKey().entrySet().stream()
                .collect(java.util.stream.Collectors.toMap(
                        Map.Entry::getKey,
                        entry -> entry.getValue().value().detach().copy()));
    }

    private static float[] array(Map<String, Tensor> tensors, String key) {
        return tensors.get(key).toFloatArray();
    }

    private static double max(float[] values) {
        return IntStream.range(0, values.length)
                .mapToDouble(i -> Math.abs(values[i]))
                .max()
                .orElse(0);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "prompt_tuning_init | EXACT_SOURCE_TASK | prompt_tuning_init_state_dict_path' is missing",
                "prompt_tuning_init_state_dict_path | x.safetensors | expected one of AVERAGE_SOURCE_TASKS",
                "num_tasks | 0 | num_tasks",
                "num_ranks | -1 | num_ranks",
                "prompt_tuning_init | AVERAGE_SOURCE | prompt_tuning_init"
            })
    void settingsThatCannotBeUsedAreRefused(String key, String value, String part) {
        refused(part, () -> new MultitaskPromptTuningMethod().create(new Settings("test", Map.of(key, value))));
    }

    @Test
    void aSourceThatDoesNotFitIsRefused() throws IOException {
        MultitaskPromptTuningConfig config = MultitaskPromptTuningConfig.of(4, 1);
        try (CausalLM model = model()) {
            for (Map.Entry<SourcePrompt, String> wrong : Map.of(
                            new SourcePrompt(RECORDED, SourcePrompt.Part.EXACT_SOURCE_TASK, 7), "tasks 0 to 1",
                            new SourcePrompt(Path.of("x.bin"), SourcePrompt.Part.AVERAGE_SOURCE_TASKS, 0), "pickled",
                            new SourcePrompt(
                                            RECORDED.resolveSibling("prompt"),
                                            SourcePrompt.Part.AVERAGE_SOURCE_TASKS,
                                            0),
                                    "has the shape [6, 48]")
                    .entrySet()) {
                refused(wrong.getValue(), () -> MultitaskPromptTuning.of(config.startingFrom(wrong.getKey()))
                        .attach(model));
            }
        }
        refused("num_tasks", () -> MultitaskPromptTuningConfig.of(4, 2)
                .startingFrom(new SourcePrompt(RECORDED, SourcePrompt.Part.AVERAGE_SOURCE_TASKS, 0)));
    }
}
