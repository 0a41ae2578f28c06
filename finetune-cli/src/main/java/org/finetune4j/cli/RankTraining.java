package org.finetune4j.cli;

import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Function;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.Parallelism;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.data.HostSharing;
import org.finetune4j.dist.mesh.MeshShape;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** What every rank of a training does, from its own reading of the configuration to the end. */
final class RankTraining {

    private final Settings settings;
    private final Function<Settings, TrainingSettings> training;
    private final @Nullable String mesh;
    private final Communicator world;

    /**
     * @param settings as this rank has read them
     * @param training what they ask this rank for
     * @param mesh as it was written on the command line, or null
     * @param world all ranks
     */
    RankTraining(
            Settings settings,
            Function<Settings, TrainingSettings> training,
            @Nullable String mesh,
            Communicator world) {
        this.settings = settings;
        this.training = training;
        this.mesh = mesh;
        this.world = world;
    }

    /**
     * What settings ask ranks for.
     *
     * @param stage which of several trainings in a row; null where there is one only
     * @param resumes whether that stage goes on from a checkpoint
     * @throws UserErrorException when these are several trainings in a row, and none of them is named
     */
    static Function<Settings, TrainingSettings> of(@Nullable String stage, boolean resumes) {
        if (stage == null) {
            return settings -> {
                requireOneTraining(settings);
                return TrainingSettings.of(settings);
            };
        }
        return settings -> {
            PipelineStage named = PipelineSettings.of(settings).named(stage);
            return resumes ? named.resumed() : named.training();
        };
    }

    /**
     * Trains with the others.
     *
     * @return how it went, the same on all ranks
     * @throws UserErrorException when the ranks' configurations are not the same, or cannot be trained with
     */
    StageRun train() {
        requireSameConfiguration();
        TrainingSettings asked = training.apply(settings);
        MeshShape shape = asked.parallel().shape(mesh, world.size());
        try (Parallelism group = new Parallelism(
                        shape,
                        world,
                        asked.parallel().pipelineOptions(),
                        asked.parallel().sequenceParallel());
                HostSharing sharing = new HostSharing(world)) {
            return StageRun.of(asked, group.training(), group::share, sharing, (result, model) -> {});
        }
    }

    private static void requireOneTraining(Settings settings) {
        if (PipelineSettings.isPipeline(settings)) {
            throw new UserErrorException(settings.origin()
                    + ": 'stages' are trained one after the other, which ranks do for ./finetune launch only");
        }
    }

    private void requireSameConfiguration() {
        byte[] own = hash(Json.write(new TreeMap<>(settings.asMap())));
        try (TensorScope scope = TensorScope.open()) {
            Tensor part = Tensors.of(floats(own), own.length);
            Tensor whole = Tensors.zeros(DType.FLOAT32, Device.CPU, (long) world.size() * own.length);
            world.allGather(part, whole).await();
            float[] all = whole.toFloatArray();
            List<Integer> different = new ArrayList<>();
            for (int rank = 1; rank < world.size(); rank++) {
                int from = rank * own.length;
                if (!Arrays.equals(all, from, from + own.length, all, 0, own.length)) {
                    different.add(rank);
                }
            }
            if (!different.isEmpty()) {
                throw new UserErrorException(
                        settings.origin() + ": rank 0 and " + (different.size() == 1 ? "rank " : "ranks ")
                                + Json.write(different).replaceAll("[\\[\\]]", "")
                                + " have different configurations: give all hosts the same file and the same key=value arguments");
            }
        }
    }

    private static float[] floats(byte[] bytes) {
        float[] floats = new float[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            floats[i] = bytes[i];
        }
        return floats;
    }

    private static byte[] hash(String text) {
        return Hashing.sha256().hashString(text, StandardCharsets.UTF_8).asBytes();
    }
}
