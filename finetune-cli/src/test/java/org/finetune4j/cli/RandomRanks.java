package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A mesh, with what its ranks share; a part of the settings goes by DeepSpeed's file.
 *
 * @param mesh its sizes
 * @param areProcesses whether mpirun starts the ranks
 */
record RandomRanks(String mesh, boolean areProcesses) {

    private static final double PROCESSES = Double.parseDouble(System.getProperty("finetune4j.processes", "0.03"));

    /**
     * Draws ranks.
     *
     * @param withProcesses whether they may be processes
     */
    static RandomRanks draw(Draw draw, RandomModel model, boolean withProcesses) {
        boolean areProcesses = withProcesses && draw.chance(PROCESSES);
        return new RandomRanks(draw.from(meshes(model, areProcesses)), areProcesses);
    }

    /** Whether ranks have slices of weights, which many methods and optimizers refuse. */
    boolean haveSlices() {
        return mesh.contains("tp") || mesh.contains("ep");
    }

    /**
     * Puts the keys of the ranks among the others.
     *
     * @param directory for the files that hold what is offloaded
     * @return the command, but for the configuration
     */
    List<String> launch(Draw draw, RandomModel model, Path directory, Map<String, Object> keys) {
        shared(draw, mesh, keys);
        if (haveSlices() && draw.chance(0.8) && !isElementwise(keys.get("optim"))) {
            keys.put("optim", draw.of("sgd", "adamw", "lion"));
        }
        for (String key : List.of("offload_optimizer", "offload_param")) {
            maybe(
                    draw,
                    0.15,
                    keys,
                    key,
                    draw.of("cpu", directory.resolve("offloaded").toString()));
        }
        if (mesh.contains("tp")) {
            maybe(draw, 0.4, keys, "sequence_parallel", true);
        }
        if (mesh.contains("pp")) {
            maybe(
                    draw,
                    0.3,
                    keys,
                    "pipeline_schedule",
                    model.layers() >= 4 ? draw.of("gpipe", "interleaved") : draw.of("gpipe", "1f1b"));
        }
        List<String> launch = new ArrayList<>(List.of("launch", "--nproc", String.valueOf(count(mesh))));
        if (!areProcesses) {
            launch.add("--local");
        }
        launch.addAll(List.of("--mesh", mesh, "--timeout", "60", "train"));
        return launch;
    }

    private static List<String> meshes(RandomModel model, boolean areProcesses) {
        List<String> meshes = new ArrayList<>(List.of("dp=2", "dp=2", "dp=3", "tp=2", "tp=2", "pp=2"));
        if (!areProcesses) {
            meshes.addAll(List.of(
                    "dp=4",
                    "dp=2,tp=2",
                    "dp=2,pp=2",
                    "tp=2,pp=2",
                    "pp=3",
                    "dp=5",
                    "tp=4",
                    "dp=2,tp=2,pp=2",
                    "dp=3,tp=2"));
        }
        meshes.removeIf(mesh -> mesh.contains("pp") && model.layers() < (mesh.contains("pp=3") ? 3 : 2));
        meshes.removeIf(mesh -> mesh.contains("tp=4") && model.heads() % 4 != 0);
        if (model.experts() > 0) {
            meshes.addAll(List.of("dp=2,ep=2", "dp=2,ep=2", "dp=2,ep=2,tp=2", "dp=4,ep=2"));
            if (model.layers() > 1) {
                meshes.add("dp=2,ep=2,pp=2");
            }
            if (model.experts() % 3 == 0) {
                meshes.add("dp=3,ep=3");
            }
        }
        if (model.heads() == 6) {
            meshes.add("tp=3");
        }
        return meshes;
    }

    private static boolean isElementwise(@Nullable Object optimizer) {
        return optimizer == null
                || List.of("adamw", "adam", "lion", "sgd", "rmsprop", "adagrad").contains(optimizer);
    }

    private static int count(String mesh) {
        int count = 1;
        for (String axis : mesh.split(",")) {
            count *= axis.startsWith("ep") ? 1 : axis.charAt(axis.length() - 1) - '0';
        }
        return count;
    }

    private static void shared(Draw draw, String mesh, Map<String, Object> keys) {
        if (draw.chance(0.25)) {
            return;
        }
        int stage = draw.between(0, mesh.contains("pp") && draw.chance(0.9) ? 1 : 3);
        if (!draw.chance(0.15)) {
            keys.put("zero_stage", stage);
            return;
        }
        Map<String, Object> zero = new LinkedHashMap<>(Map.of("stage", stage));
        maybe(draw, 0.3, zero, "overlap_comm", true);
        maybe(draw, 0.3, zero, "reduce_bucket_size", 5e8);
        maybe(draw, 0.3, zero, "offload_optimizer", Map.of("device", "cpu"));
        Map<String, Object> file = new LinkedHashMap<>(Map.of("zero_optimization", zero));
        file.put("gradient_clipping", "auto");
        maybe(draw, 0.3, file, "train_micro_batch_size_per_gpu", "auto");
        maybe(draw, 0.3, file, "bf16", Map.of("enabled", "auto"));
        keys.put("deepspeed", file);
    }

    private static void maybe(Draw draw, double share, Map<String, Object> keys, String key, Object value) {
        if (draw.chance(share)) {
            keys.put(key, value);
        }
    }
}
