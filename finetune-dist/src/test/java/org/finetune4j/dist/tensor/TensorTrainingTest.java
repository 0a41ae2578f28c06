package org.finetune4j.dist.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.MeshTraining;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.dist.mesh.MeshShape;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Ten steps on shares of a model are ten steps on the model: losses, norms, and the files that are written in the end. */
class TensorTrainingTest {

    private static final Duration PATIENCE = Duration.ofMinutes(2);

    @TempDir
    private Path directory;

    @ParameterizedTest(name = "{1} of {0}, {2} copies of {3} shares, ZeRO {4}, in double precision: {5}")
    @CsvSource({
        "llama, full, 1, 2, 0, false",
        "llama, lora, 1, 2, 0, true",
        "llama, lora, 1, 4, 0, true",
        "gpt2, full, 1, 2, 0, true",
        "gpt2, lora, 1, 2, 0, false",
        "phi3, lora, 1, 2, 0, false",
        "mixtral, full, 1, 2, 0, false",
        "mixtral, lora, 1, 2, 0, false",
        "gpt_oss, full, 2, 2, 1, false",
        "gpt_oss, lora, 1, 4, 0, false",
        "gpt_oss, qlora, 1, 2, 0, false",
        "llama, qlora, 1, 2, 0, false",
        "gpt2, qlora, 1, 2, 0, false",
        "mixtral, qlora, 1, 2, 0, false",
        "llama, full, 2, 2, 0, false",
        "gpt2, lora, 2, 2, 1, true",
        "llama, full, 2, 2, 3, false",
    })
    void tenStepsOnSharesAreTenSteps(String model, String method, int copies, int shares, int stage, boolean exact) {
        new MeshTraining(model, method, stage, exact).requireSameOn(new MeshShape(copies, 1, shares, 1), directory);
    }

    @ParameterizedTest
    @CsvSource({
        "llama, dora",
        "gpt2, dora",
        "mixtral, dora",
        "llama, pissa",
        "gpt2, pissa",
        "mixtral, olora",
        "llama, ia3",
        "gpt2, ia3",
        "llama, vera",
        "llama, loha",
        "gpt_neox, loha",
        "llama, lokr",
        "llama, fourierft",
        "llama, shira",
        "llama, prefix_tuning",
        "gpt2, prefix_tuning",
        "qwen3, prefix_tuning",
    })
    @Tag("slow")
    void whatMethodsMakeOfWholeWeightsIsDividedAsTheyAre(String model, String method) {
        new MeshTraining(model, method, 0, true).requireSameOn(new MeshShape(1, 1, 2, 1), directory);
    }

    @ParameterizedTest
    @ValueSource(strings = {"prefix_tuning", "loha", "dora", "pissa"})
    void moreSharesThanHeadsOfKeysLearnWhatOneProcessDoes(String method) {
        new MeshTraining("llama", method, 0, true).requireSameOn(new MeshShape(1, 1, 4, 1), directory);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void averagesOfSharesAreThoseOfTheWhole(int stage) throws IOException {
        new MeshTraining("llama", "full", stage, true)
                .with(arguments -> arguments.emaDecay(0.8))
                .requireSameResumedOn(new MeshShape(2, 1, 2, 1), directory);
    }

    @Test
    void anOptimizerThatAveragesByItselfDoesSoOnShares() throws IOException {
        new MeshTraining("llama", "full", 1, true)
                .with(arguments -> arguments.optimizer("schedule_free_adamw"))
                .requireSameResumedOn(new MeshShape(2, 1, 2, 1), directory);
    }

    @ParameterizedTest(name = "{0} copies of {1} shares, ZeRO {2}")
    @CsvSource({"1, 2, 0", "2, 2, 1"})
    void sharesGoOnFromWhatTheWholeSavedAndTheOtherWayRound(int copies, int shares, int stage) throws IOException {
        new MeshTraining("llama", "full", stage, true)
                .requireSameResumedOn(new MeshShape(copies, 1, shares, 1), directory);
    }

    @Test
    void anOptimizerThatNeedsWholeWeightsIsRefusedByName() {
        TrainingArguments arguments =
                TrainingArguments.builder().optimizer("adafactor").maxSteps(1).build();
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> LocalRanks.run(2, PATIENCE, world -> {
                    try (Communicator alone = world.split(world.rank(), 0);
                            TensorParallel parallel = new TensorParallel(world, ExpertDivision.SLICES);
                            CausalLM share =
                                    parallel.load(TensorPass.GOLDENS.resolve("arch/llama"), LoadOptions.defaults());
                            AttachedStrategy full = new FullFineTuning().attach(share);
                            Membership membership =
                                    new TensorParallelGroup(world, alone, parallel).join(share, full, arguments)) {
                        assertEquals(2, membership.ranks());
                    }
                }));
        assertTrue(String.valueOf(e.getMessage()).startsWith("optim adafactor needs whole weights"), e::getMessage);
    }
}
