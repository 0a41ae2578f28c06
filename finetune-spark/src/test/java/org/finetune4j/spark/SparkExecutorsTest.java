package org.finetune4j.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.finetune4j.dist.launch.Mpirun;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two executors that are processes of their own, one rank each, started as spark-submit starts an application. */
@Tag("slow")
class SparkExecutorsTest {

    private static final int PATIENCE_SECONDS = 240;

    @TempDir
    private Path directory;

    @Test
    void aRankThatDiesIsRunAgainFromTheLastCheckpoint() throws Exception {
        assumeTrue(Mpirun.isInstalled(), "mpirun is not installed (package openmpi-bin)");
        TinyTraining tiny = new TinyTraining(directory);
        String[] settings = {"max_steps=12", "save_steps=1", "save_total_limit=2"};
        Path alone = tiny.trainAlone(settings);
        Path together = directory.resolve("ranks");
        Path said = directory.resolve("driver.txt");
        Process driver =
                driver(said, tiny.config, "output_dir=" + together, settings).start();
        try {
            while (driver.isAlive() && !Files.isRegularFile(together.resolve("checkpoint-2/checkpoint.json"))) {
                Thread.sleep(20);
            }
            List<ProcessHandle> ranks = ranks(driver);
            assertEquals(2, ranks.size(), Files.readString(said));
            ranks.get(1).destroyForcibly();
            assertTrue(driver.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS), Files.readString(said));
            String text = Files.readString(said);
            assertEquals(0, driver.exitValue(), text);
            assertTrue(text.contains("step 1/12"), text);
            assertTrue(text.contains("attempt 1 failed: rank "), text);
            assertTrue(text.contains("attempt 2 of the stage: from the last checkpoint"), text);
            TinyTraining.requireSameLosses(alone, together);
        } finally {
            List<ProcessHandle> below = driver.descendants().toList();
            driver.destroy();
            below.forEach(ProcessHandle::destroyForcibly);
        }
    }

    @Test
    void withoutMpirunOneLineNamesThePackage() throws Exception {
        Path said = directory.resolve("driver.txt");
        ProcessBuilder builder = driver(said, directory.resolve("config.yaml"), "output_dir=nowhere");
        builder.environment().put("PATH", directory.toString());
        Process driver = builder.start();
        try {
            assertTrue(driver.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS), Files.readString(said));
        } finally {
            driver.destroyForcibly();
        }
        String text = Files.readString(said);
        assertEquals(2, driver.exitValue(), text);
        assertEquals(
                1, text.lines().filter(line -> line.contains("openmpi-bin")).count(), text);
    }

    /** Spark looks for its own jars below its home; here they are on the driver's class path. */
    private ProcessBuilder driver(Path said, Path config, String output, String... settings) throws IOException {
        Path home = directory.resolve("spark");
        Files.createDirectories(home.resolve("jars"));
        String classPath = RankClassPath.find();
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1"));
        for (String opened : List.of("sun.nio.ch", "java.nio", "java.lang.invoke", "java.util")) {
            command.add("--add-opens=java.base/" + opened + "=ALL-UNNAMED");
        }
        for (String property : List.of(
                "spark.master=local-cluster[2,1,1024]",
                "spark.ui.enabled=false",
                "spark.executor.extraClassPath=" + classPath,
                "spark.executor.extraJavaOptions=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
                "spark.scheduler.barrier.maxConcurrentTasksCheck.interval=1s")) {
            command.add("-D" + property);
        }
        command.addAll(List.of("-cp", classPath, SparkLaunch.class.getName(), "--nproc", "2", "train"));
        command.addAll(List.of(config.toString(), output));
        command.addAll(List.of(settings));
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile());
        builder.environment().put("SPARK_HOME", home.toString());
        builder.environment().put("SPARK_SCALA_VERSION", "2.13");
        return builder;
    }

    private static List<ProcessHandle> ranks(Process driver) {
        return driver.descendants()
                .filter(process -> isProgram(process, "java")
                        && process.parent()
                                .map(parent -> isProgram(parent, "orted"))
                                .orElse(false))
                .toList();
    }

    private static boolean isProgram(ProcessHandle process, String name) {
        return process.info().command().orElse("").endsWith("/" + name);
    }
}
