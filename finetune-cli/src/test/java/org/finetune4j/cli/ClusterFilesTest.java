package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** The files for clusters have the form that those ask for, and call commands that there are. */
class ClusterFilesTest {

    private static final Path DIRECTORY = Path.of("../examples/cluster");

    private static JsonNode yaml(String name) throws IOException {
        return TrainingConfig.YAML.readTree(DIRECTORY.resolve(name).toFile());
    }

    @Test
    void theJobOfTheOperatorHasALauncherAndWorkersOnOneVolume() throws IOException {
        JsonNode job = yaml("mpijob.yaml");
        assertEquals("kubeflow.org/v2beta1", job.at("/apiVersion").asText());
        assertEquals("MPIJob", job.at("/kind").asText());
        int slots = job.at("/spec/slotsPerWorker").asInt();
        int workers = job.at("/spec/mpiReplicaSpecs/Worker/replicas").asInt();
        assertEquals(1, job.at("/spec/mpiReplicaSpecs/Launcher/replicas").asInt());
        JsonNode claim = yaml("storage.yaml");
        assertEquals("PersistentVolumeClaim", claim.at("/kind").asText());
        for (String role : List.of("Launcher", "Worker")) {
            JsonNode pod = job.at("/spec/mpiReplicaSpecs/" + role + "/template/spec");
            assertTrue(!pod.at("/containers/0/image").asText().isEmpty(), role);
            assertEquals(
                    claim.at("/metadata/name").asText(),
                    pod.at("/volumes/0/persistentVolumeClaim/claimName").asText());
            assertEquals(
                    pod.at("/volumes/0/name").asText(),
                    pod.at("/containers/0/volumeMounts/0/name").asText());
        }
        JsonNode command = job.at("/spec/mpiReplicaSpecs/Launcher/template/spec/containers/0/command");
        assertEquals("./finetune", command.get(0).asText());
        assertEquals("launch", command.get(1).asText());
        assertEquals(slots * workers, command.get(3).asInt());
    }

    @Test
    void theScriptForSlurmUsesOptionsThatThereAre() throws IOException {
        String script = Files.readString(DIRECTORY.resolve("train.slurm"));
        assertTrue(script.startsWith("#!/bin/bash\n#SBATCH "), script);
        CommandLine launch = new CommandLine(new LaunchCommand());
        String call = script.substring(script.indexOf("./finetune launch")).replace("\\\n", " ");
        for (String word : call.split("\\s+")) {
            assertTrue(
                    !word.startsWith("--")
                            || launch.getCommandSpec().optionsMap().containsKey(word),
                    word);
        }
    }
}
