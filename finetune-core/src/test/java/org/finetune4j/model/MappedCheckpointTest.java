package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.PackedWeight;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A checkpoint whose file changes while its weights are mapped from it. */
class MappedCheckpointTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");
    private static final ModelInputs INPUTS = ModelInputs.of(3, 4, 5, 6);

    @TempDir
    Path directory;

    private Path weights;

    @BeforeEach
    void copyAModel() throws IOException {
        for (String file : new String[] {"config.json", "model.safetensors"}) {
            Files.copy(LLAMA.resolve(file), directory.resolve(file));
        }
        weights = directory.resolve("model.safetensors");
        assumeTrue(
                Files.readAttributes(weights, BasicFileAttributes.class).fileKey() != null,
                "this system keeps mapped files as they are");
    }

    /** A pass through the model. */
    private enum Pass {
        LOGITS {
            @Override
            void run(CausalLM model) {
                model.logits(INPUTS);
            }
        },
        GENERATION {
            @Override
            void run(CausalLM model) {
                TextGenerator.of(model).completeTokens(List.of(new int[] {3, 4}), GenerationOptions.greedy(2));
            }
        },
        GRADIENTS {
            @Override
            void run(CausalLM model) {
                Batch batch = new Collator(0, 1).collate(List.of(new SyntheticSamples(1, 199, 5).get(0)));
                new Backpropagation(model, GradientCheckpointing.none())
                        .run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1));
            }
        },
        SAVING {
            @Override
            void run(CausalLM model) {
                model.save(model.directory().resolveSibling("saved"));
            }
        },
        FULL_TRAINING {
            @Override
            void run(CausalLM model) {
                new FullFineTuning().attach(model).close();
            }
        },
        PACKING {
            @Override
            void run(CausalLM model) {
                assumeTrue(PackedWeight.isFaster());
                model.packForGeneration();
            }
        };

        abstract void run(CausalLM model);
    }

    @ParameterizedTest
    @EnumSource(Pass.class)
    void cutShortIsRefusedBeforeThePass(Pass pass) throws IOException {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(directory)) {
            cut(Files.size(weights) / 2);
            String message = assertThrows(UserErrorException.class, () -> pass.run(model))
                    .getMessage();
            assertTrue(message.contains(weights.toString()) && message.contains("bytes"), message);
            assertFalse(message.contains("\n"), message);
        }
    }

    @Test
    void anotherFileThatIsRenamedIntoItsPlaceDoesNoHarm() throws IOException {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(directory)) {
            float[] before = model.logits(INPUTS).toFloatArray();
            Path other = Files.write(directory.resolve("other"), new byte[10]);
            Files.move(other, weights, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
            assertArrayEquals(before, model.logits(INPUTS).toFloatArray());
            Files.delete(weights);
            assertArrayEquals(before, model.logits(INPUTS).toFloatArray());
        }
    }

    @Test
    void aModelThatWasConvertedNeedsItsFileNoLonger() throws IOException {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(directory, LoadOptions.defaults().withDType(DType.BFLOAT16))) {
            cut(100);
            assertDoesNotThrow(() -> model.logits(INPUTS));
        }
    }

    @Test
    void aReaderRefusesTensorsOfAFileThatWasCutShort() throws IOException {
        try (TensorScope scope = TensorScope.open();
                CheckpointReader reader = CheckpointReader.open(directory)) {
            String name = reader.names().get(0);
            reader.tensor(name);
            cut(Files.size(weights) - 1);
            assertThrows(UserErrorException.class, () -> reader.tensor(name));
        }
    }

    private void cut(long length) throws IOException {
        try (FileChannel channel = FileChannel.open(weights, StandardOpenOption.WRITE)) {
            channel.truncate(length);
        }
    }
}
