package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LaunchCommandTest {

    private static final double TOLERANCE = 1e-5;

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void writeTraining() {
        files = new TrainingFiles(directory);
    }

    @ParameterizedTest
    @CsvSource({"2,0,lora", "2,2,full", "3,3,lora", "3,1,full"})
    @Tag("slow")
    void threadsWriteTheFilesAndNumbersOfOneProcess(int ranks, int stage, String method) throws IOException {
        if (method.equals("full")) {
            TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
        }
        String[] settings = {
            "method=" + method, "gradient_accumulation_steps=2", "report_to=html", "save_steps=2", "zero_stage=" + stage
        };
        requireSameAsAlone(ranks, settings, "--local");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"2|tp=2|lora", "4|dp=2,tp=2|full", "2|pp=2|lora", "4|dp=2,pp=2|full", "8|dp=2,tp=2,pp=2|lora"})
    @Tag("slow")
    void ranksWithSharesOfTheModelWriteTheFilesAndNumbersOfOneProcess(int ranks, String mesh, String method)
            throws IOException {
        if (method.equals("full")) {
            TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
        }
        String[] settings = {
            "method=" + method, "gradient_accumulation_steps=2", "report_to=html", "save_steps=2", "zero_stage=1"
        };
        requireSameAsAlone(ranks, settings, "--local", "--mesh", mesh);
    }

    /** Rows of a length that the ranks do not divide. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"2|tp=2|lora", "4|tp=2,pp=2|full"})
    @Tag("slow")
    void tokensOfPackedRowsCanBeDividedToo(int ranks, String mesh, String method) throws IOException {
        if (method.equals("full")) {
            TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
        }
        String[] settings = {
            "method=" + method,
            "sequence_parallel=true",
            "packing=true",
            "max_length=33",
            "gradient_accumulation_steps=2",
            "max_steps=4",
            "report_to=html",
            "eval_file=" + files.data,
            "eval_steps=2"
        };
        requireSameAsAlone(ranks, settings, "--local", "--mesh", mesh);
    }

    /** Alone and on ranks, with all that a layout has its own kind of parameter for. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "2|dp=2|method=full",
                "2|dp=2|load_in_4bit=true",
                "8|dp=2,tp=2,pp=2|bf16=false",
                "2|pp=2|load_in_8bit=true"
            })
    @Tag("slow")
    void statesAndWeightsInFilesChangeNothing(int ranks, String mesh, String setting) throws IOException {
        if (setting.equals("method=full")) {
            TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
        }
        Path offloaded = Files.createDirectory(directory.resolve("offloaded"));
        String[] settings = {
            setting,
            "device=cpu",
            "gradient_accumulation_steps=2",
            "report_to=html",
            "save_steps=2",
            "eval_file=" + files.data,
            "eval_steps=2",
            "zero_stage=" + (mesh.contains("pp") ? 1 : 3),
            "offload_optimizer=" + offloaded,
            "offload_param=" + offloaded
        };
        requireSameAsAlone(ranks, settings, "--local", "--mesh", mesh);
        try (Stream<Path> left = Files.list(offloaded)) {
            assertEquals(List.of(), left.toList());
        }
        assertEquals(losses(directory.resolve("alone")), losses(inMemory(settings)));
    }

    private Path inMemory(String... settings) {
        Path output = directory.resolve("in-memory");
        CommandRun run = run(List.of("train"), output, Arrays.copyOf(settings, settings.length - 2));
        assertEquals(0, run.exitCode(), run.toString());
        return output;
    }

    private static List<String> losses(Path output) throws IOException {
        return steps(output).stream()
                .map(step -> step.get("loss") + " " + step.get("grad_norm"))
                .toList();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "offload_optimizer=nvme|'offload_optimizer' is nvme, expected the directory of the files",
                "offload_optimizer=gpu|'offload_optimizer' is gpu, expected none, cpu or a directory",
                "offload_param=true|'offload_param' is true, expected none, cpu or a directory",
                "offload_param=/dev/null/x|cannot write to /dev/null/x",
                "offload_optimizer=/tmp optim=paged_adamw|leave offload_optimizer out"
            })
    void refusesFilesThatCannotBe(String settings, String part) {
        CommandRun.assertRefused(run(List.of("train"), directory.resolve("refused"), settings.split(" ")), part);
    }

    @Test
    @Tag("slow")
    void processesWriteTheFilesAndNumbersOfOneProcess() throws IOException {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/mpirun")), "mpirun is not installed");
        requireSameAsAlone(2, new String[] {"zero_stage=3", "save_steps=2", "report_to=html"});
        assertTrue(Files.isRegularFile(directory.resolve("ranks/logs/rank-1.log")));
    }

    @Test
    @Tag("slow")
    void stagesInProcessesWriteTheFilesAndNumbersOfOneProcess() throws IOException {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/mpirun")), "mpirun is not installed");
        requireSameAsAlone(
                2, new String[] {"gradient_accumulation_steps=2", "save_steps=2", "report_to=html"}, "--mesh", "pp=2");
    }

    private void requireSameAsAlone(int ranks, String[] settings, String... options) throws IOException {
        Path alone = directory.resolve("alone");
        Path together = directory.resolve("ranks");
        CommandRun one = run(List.of("train"), alone, settings);
        assertEquals(0, one.exitCode(), one.toString());
        List<String> launch = new ArrayList<>(List.of("launch", "--nproc", String.valueOf(ranks)));
        launch.addAll(List.of(options));
        launch.add("train");
        CommandRun several = run(launch, together, settings);
        assertEquals(0, several.exitCode(), several.toString());
        assertEquals(List.of(together.toString()), several.out());
        assertEquals(names(alone), names(together));
        for (String key : List.of("trainable_parameters", "total_parameters")) {
            assertEquals(start(alone).get(key), start(together).get(key), key);
        }
        List<JsonNode> expected = steps(alone);
        List<JsonNode> found = steps(together);
        assertEquals(4, expected.size(), "steps that were logged");
        assertEquals(expected.size(), found.size());
        for (int i = 0; i < expected.size(); i++) {
            for (String key : List.of("loss", "grad_norm")) {
                double value = expected.get(i).get(key).asDouble();
                assertEquals(
                        value, found.get(i).get(key).asDouble(), TOLERANCE * Math.abs(value), key + " of step " + i);
            }
        }
    }

    private CommandRun run(List<String> command, Path output, String... settings) {
        List<String> all = new ArrayList<>(command);
        all.addAll(List.of(files.config.toString(), "output_dir=" + output));
        all.addAll(List.of(settings));
        return CommandRun.of(all.toArray(String[]::new));
    }

    /** Ranks' logs and parts of states come on top. */
    private static Set<String> names(Path output) throws IOException {
        try (Stream<Path> paths = Files.walk(output)) {
            Set<String> names = new TreeSet<>();
            paths.filter(Files::isRegularFile)
                    .map(path -> output.relativize(path).toString())
                    .filter(name -> !name.startsWith("logs/") && !name.matches(".*-of-\\d+\\.safetensors"))
                    .forEach(names::add);
            return names;
        }
    }

    private static JsonNode start(Path output) {
        return TrainingFiles.metrics(output).get(0);
    }

    private static List<JsonNode> steps(Path output) {
        return TrainingFiles.metrics(output).stream()
                .filter(line -> line.has("grad_norm"))
                .toList();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "--nproc 2 --local --mesh dp=3 train|mesh",
                "--nproc 3 --local --mesh dp=2,tp=2 train|mesh",
                "--nproc 0 --local train|--nproc is 0",
                "--nproc 2 --local trian|did you mean 'train'?",
                "--nproc 2 --hosts nowhere train|nowhere",
                "--nproc 2 --local --max-restarts 1 train|for processes",
                "--nproc 2 --local --mesh dp=2,ep=2 train|shares out experts",
            })
    void refusesWhatCannotBeStarted(String options, String part) {
        List<String> command = new ArrayList<>(List.of("launch"));
        command.addAll(List.of(options.split(" ")));
        CommandRun.assertRefused(run(command, directory.resolve("refused")), part);
    }

    @ParameterizedTest
    @CsvSource({
        "zero_stage=2,zero_stage 2 is not implemented with pipeline_parallel_size",
        "pipeline_schedule=1f2b,did you mean '1f1b'?",
        "pipeline_chunks=2,only pipeline_schedule: interleaved",
        "pipeline_parallel_size=3,give one of them",
        "expert_parallel_size=2,give one of them",
    })
    void refusesWhatStagesCannotDo(String setting, String part) {
        CommandRun.assertRefused(
                run(
                        List.of("launch", "--nproc", "2", "--local", "--mesh", "pp=2", "train"),
                        directory.resolve("refused"),
                        setting),
                part);
    }

    @ParameterizedTest
    @CsvSource({"prefix_tuning", "prompt_tuning", "p_tuning", "ptuning_v2"})
    void virtualTokensGoThroughStages(String method) throws IOException {
        TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "num_virtual_tokens: 4\n");
        String[] settings = {"method=" + method, "gradient_accumulation_steps=2", "report_to=html"};
        requireSameAsAlone(2, settings, "--local", "--mesh", "pp=2");
    }

    @Test
    void aHostThatCannotBeReachedIsNamed() {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/mpirun")), "mpirun is not installed");
        Path hosts = directory.resolve("hosts");
        TrainingFiles.write(hosts, "# where\nhost.invalid slots=2\n");
        CommandRun.assertRefused(
                run(List.of("launch", "--nproc", "2", "--hosts", hosts.toString(), "train"), directory.resolve("x")),
                "host host.invalid cannot be reached");
    }

    @Test
    void aMistakeOfAllRanksIsToldOnce() {
        CommandRun.assertRefused(
                run(List.of("launch", "--nproc", "2", "--local", "train"), directory.resolve("x"), "max_length=2"),
                "no labelled token is left");
    }

    @Test
    void oneProcessSaysHowSeveralAreStarted() {
        CommandRun.assertRefused(
                run(List.of("train"), directory.resolve("x"), "tensor_parallel_size=2"), "./finetune launch --nproc 2");
    }

    @Test
    @Tag("slow")
    void configurationsOfDeepSpeedAreRead() {
        Path json = directory.resolve("ds_config.json");
        TrainingFiles.write(json, """
                {"zero_optimization": {"stage": 2, "reduce_bucket_size": 5e8, "overlap_comm": true},
                 "train_batch_size": 2, "train_micro_batch_size_per_gpu": "auto", "gradient_clipping": 0.5,
                 "optimizer": {"type": "AdamW", "params": {"lr": "auto", "betas": [0.9, 0.95], "eps": 1e-8}},
                 "bf16": {"enabled": "auto"}, "fp16": {"enabled": false}}
                """);
        CommandRun run = run(
                List.of("launch", "--nproc", "2", "--local", "train"), directory.resolve("ds"), "deepspeed=" + json);
        assertEquals(0, run.exitCode(), run.toString());
        TrainingFiles.write(json, "{\"zero_optimisation\": {\"stage\": 2}}");
        CommandRun.assertRefused(
                run(List.of("train"), directory.resolve("x"), "deepspeed=" + json),
                "ds_config.json: 'zero_optimisation' is not known; did you mean 'zero_optimization'?");
    }
}
