package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.LocalRanks;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What several ranks cannot do is said in one line, with exit code 2, and nothing is half done. */
class RankRefusalsTest {

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @TempDir
    private Path directory;

    private TrainingFiles files;

    @BeforeEach
    void writeFiles() {
        files = new TrainingFiles(directory);
    }

    private CommandRun launch(int ranks, String mesh, String... settings) {
        List<String> all = new ArrayList<>(List.of("launch", "--nproc", String.valueOf(ranks), "--local"));
        if (!mesh.isEmpty()) {
            all.addAll(List.of("--mesh", mesh));
        }
        all.addAll(List.of("train", files.config.toString()));
        all.addAll(List.of(settings));
        return CommandRun.of(all.toArray(String[]::new));
    }

    @ParameterizedTest(name = "{1} on {0} ranks with {2}")
    @CsvSource(
            delimiter = '|',
            value = {
                "2|pp=2|zero_stage=3|zero_stage 3 is not implemented with pipeline_parallel_size",
                "12|pp=12|max_steps=1|stages",
                "5|tp=5|max_steps=1|tensor_parallel_size 5 does not divide num_attention_heads",
                "2|ep=2|max_steps=1|expert_parallel_size 2 (ep in a mesh) shares out experts",
                "2|ep=4|max_steps=1|ep divides dp",
                "2|dp=2|expert_parallel_size=2|give one of them",
                "2|dp=2|tasks=[{\"name\":\"a\"},{\"name\":\"b\"}]|./finetune continual",
                "4||tensor_parallel_size=3|takes a multiple of 3 ranks, but there are 4",
                "2|tp=2|optim=adafactor|optim adafactor needs whole weights",
                "2|dp=2|method=adalora target_r=2 init_r=3 optimizer_in_backward=true max_grad_norm=0|this method looks at them after the step",
                "2|tp=2|method=oft|method oft is not implemented on model.layers.0",
                "2|tp=2|method=trainable_tokens token_indices=[1000]|method trainable_tokens is not implemented on model.embed",
                "2|tp=2|trainable_token_indices=[1000]|or modules_to_save: [model.embed_tokens]",
            })
    void whatAMeshCannotDoIsRefusedByName(int ranks, String mesh, String setting, String part) {
        if (setting.startsWith("method")) {
            String keys = setting.contains("tokens") ? "r: 4\ntarget_modules: [q_proj, v_proj]\n" : "r: 4\n";
            TrainingFiles.edit(files.config, keys, "");
        }
        CommandRun.assertRefused(launch(ranks, mesh == null ? "" : mesh, setting.split(" ")), part);
    }

    @Test
    void configurationsThatDifferAreFoundBeforeAnythingIsRead() {
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> LocalRanks.run(3, PATIENCE, world -> {
                    List<String> own = List.of("learning_rate=" + (world.rank() == 1 ? "1e-4" : "1e-3"));
                    new RankTraining(TrainingConfig.read(files.config, own), RankTraining.of(null, false), null, world)
                            .train();
                }));
        String message = String.valueOf(e.getMessage());
        assertTrue(message.contains("rank 0 and rank 1 have different configurations"), message);
        assertTrue(Files.notExists(files.output), "nothing was written");
    }

    @Test
    void withoutMpirunThePackageIsNamed() throws IOException, InterruptedException {
        List<String> command = List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                Main.class.getName(),
                "launch",
                "--nproc",
                "2",
                "train",
                files.config.toString());
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("PATH", directory.toString());
        Process process = builder.start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(2, process.waitFor(), said);
        assertTrue(said.contains("install openmpi-bin"), said);
        assertEquals(1, said.lines().count(), said);
    }

    @Test
    void aCheckpointWithAShardMissingIsNotGoneOnFrom() throws IOException {
        String[] settings = {"zero_stage=1", "save_steps=2", "max_steps=2", "output_dir=" + files.output};
        CommandRun first = launch(2, "", settings);
        assertEquals(0, first.exitCode(), first.toString());
        Path checkpoint = files.output.resolve("checkpoint-2");
        Path shard = checkpoint.resolve("training_state-1-of-2.safetensors");
        byte[] bytes = Files.readAllBytes(shard);
        Files.delete(shard);
        String[] resumed = {
            "zero_stage=1", "max_steps=4", "output_dir=" + files.output, "resume_from_checkpoint=" + checkpoint
        };
        CommandRun.assertRefused(launch(2, "", resumed), "training_state-1-of-2.safetensors");
        Files.write(shard, Arrays.copyOf(bytes, bytes.length / 2));
        CommandRun.assertRefused(launch(3, "", resumed), "training_state-1-of-2.safetensors");
        Files.write(shard, bytes);
        assertEquals(0, launch(3, "", resumed).exitCode());
    }
}
