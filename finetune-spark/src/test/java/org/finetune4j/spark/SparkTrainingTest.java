package org.finetune4j.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.launch.Mpirun;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Training in Spark's local mode, through every part that a cluster uses. */
class SparkTrainingTest {

    @TempDir
    private Path directory;

    private static SparkContext spark;

    @BeforeAll
    static void startSpark() {
        spark = new SparkContext(new SparkConf()
                .setMaster("local[2]")
                .setAppName("test")
                .set("spark.ui.enabled", "false")
                .set("spark.driver.host", "127.0.0.1")
                // A stage that is tried again would hide why it failed.
                .set("spark.stage.maxConsecutiveAttempts", "1"));
    }

    @AfterAll
    static void stopSpark() {
        spark.stop();
    }

    @Test
    void twoRanksWriteTheFilesAndNumbersOfOneProcess() throws Exception {
        assumeTrue(Mpirun.isInstalled(), "mpirun is not installed (package openmpi-bin)");
        TinyTraining tiny = new TinyTraining(directory);
        Path alone = tiny.trainAlone();
        Path together = directory.resolve("ranks");
        new SparkTraining(spark).ranks(2).train(tiny.config, "output_dir=" + together);
        TinyTraining.requireSameLosses(alone, together);
        assertTrue(Files.isRegularFile(together.resolve("adapter_model.safetensors")));
        assertTrue(Files.isRegularFile(together.resolve("logs/rank-1.log")));
    }

    @Test
    void aMistakeInTheConfigurationIsToldOnceAndNotTriedAgain() throws Exception {
        assumeTrue(Mpirun.isInstalled(), "mpirun is not installed (package openmpi-bin)");
        TinyTraining tiny = new TinyTraining(directory);
        Path output = directory.resolve("ranks");
        SparkTraining training = new SparkTraining(spark).ranks(2);
        UserErrorException refused = assertThrows(
                UserErrorException.class,
                () -> training.train(tiny.config, "output_dir=" + output, "learning_rat=1e-3"));
        assertTrue(refused.getMessage().contains("did you mean 'learning_rate'?"), refused.getMessage());
    }

    @Test
    void moreRanksThanSlotsAreRefusedAtOnce() {
        SparkTraining training = new SparkTraining(spark).ranks(3);
        UserErrorException refused =
                assertThrows(UserErrorException.class, () -> training.train(Path.of("config.yaml")));
        assertTrue(refused.getMessage().contains("use local[3] or fewer ranks"), refused.getMessage());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--nprocs 2 train c.yaml|did you mean '--nproc'?",
                "--nproc two train c.yaml|--nproc is 'two'",
                "--nproc 2 c.yaml|expected --nproc N",
                "--nproc 2 train|expected --nproc N",
                "--nproc 2 train c.yaml|no spark.master is set",
            })
    void refusesWhatCannotBeStarted(String words, String part) {
        PrintStream usual = System.err;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
        try {
            assertEquals(2, SparkLaunch.run(words.split(" ")));
        } finally {
            System.setErr(usual);
        }
        String text = said.toString(StandardCharsets.UTF_8);
        assertTrue(text.contains(part) && text.lines().count() == 1, text);
    }
}
