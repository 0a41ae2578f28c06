package org.finetune4j.dist.plan;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.train.memory.MemoryPlan;
import org.jspecify.annotations.Nullable;

/** A plan as people and programs read it: tables, one JSON object, one HTML page. */
public final class TrainingPlanReport {

    private static final double GIGABYTE = 1e9;
    private static final int SHOWN = 8;
    private static final int LARGEST_TABLE = 1 << 10;

    private final String name;
    private final TrainingShape shape;
    private final Planner planner;
    private final Cluster cluster;
    private final List<Proposal> candidates;
    private final List<Proposal> fitting;

    /**
     * Plans.
     *
     * @param name of the model
     * @param shape of the training
     * @param samples of an update
     * @param cluster what it may run on
     */
    public TrainingPlanReport(String name, TrainingShape shape, int samples, Cluster cluster) {
        this(name, shape, new Planner(shape, samples), cluster);
    }

    /**
     * Plans.
     *
     * @param name of the model
     * @param shape of the training
     * @param planner of it
     * @param cluster what it may run on
     */
    public TrainingPlanReport(String name, TrainingShape shape, Planner planner, Cluster cluster) {
        this.name = name;
        this.shape = shape;
        this.planner = planner;
        this.cluster = cluster;
        this.candidates = planner.candidates(cluster);
        this.fitting = planner.fitting(cluster);
    }

    /** {@return the best layout that fits, if one does} */
    public Optional<Proposal> best() {
        return fitting.stream().findFirst();
    }

    List<Proposal> candidates() {
        return candidates;
    }

    Cluster cluster() {
        return cluster;
    }

    String title() {
        return name + " on " + cluster.devices() + (cluster.devices() == 1 ? " device" : " devices");
    }

    /** {@return one line: what is trained, and what is proposed} */
    public String summary() {
        return String.format(
                Locale.ROOT,
                "%s: %,d parameters, %,d train, rows of %d tokens; %s",
                name,
                shape.parameters(),
                shape.trainable(),
                shape.sequenceLength(),
                best().map(proposal -> "proposed: " + proposal.layout().describe())
                        .orElseGet(this::nothingFits));
    }

    /** {@return one line that says how much is missing, and from how many devices on there is a layout that fits} */
    public String nothingFits() {
        Proposal smallest = planner.smallest(cluster);
        String enough = "";
        for (long devices = Long.highestOneBit(cluster.devices()) * 2;
                devices <= 1 << 14 && enough.isEmpty();
                devices *= 2) {
            if (planner.best(with((int) devices)).isPresent()) {
                enough = "; it fits on " + devices + " devices";
            }
        }
        return String.format(
                Locale.ROOT,
                "nothing fits on %s with %.1f GB each: the least is %.1f GB, by %s%s",
                cluster.devices() == 1 ? "1 device" : cluster.devices() + " devices",
                cluster.memory() / GIGABYTE,
                smallest.memory().peak() / GIGABYTE,
                smallest.layout().describe(),
                enough);
    }

    private Cluster with(int devices) {
        return new Cluster(
                devices,
                cluster.memory(),
                cluster.devicesPerHost(),
                cluster.operations(),
                cluster.hostBandwidth(),
                cluster.networkBandwidth());
    }

    /** {@return the best layouts as a table} */
    public List<String> layoutLines() {
        List<String> lines = new ArrayList<>();
        lines.add(String.format(
                Locale.ROOT,
                "%-12s %4s %11s %4s %3s %8s %8s %8s %8s %8s %8s %9s %8s",
                "dp,tp,pp,ep",
                "ZeRO",
                "micro-batch",
                "ckpt",
                "seq",
                "weights",
                "grads",
                "optim",
                "activ",
                "peak GB",
                "in files",
                "sent GB",
                "step s"));
        fitting.stream().limit(SHOWN).map(TrainingPlanReport::line).forEach(lines::add);
        return lines;
    }

    private static String line(Proposal proposal) {
        Layout layout = proposal.layout();
        MemoryPlan memory = proposal.memory();
        return String.format(
                Locale.ROOT,
                "%-12s %4d %11s %4s %3s %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f %9.2f %8.2f",
                layout.dataParallel() + "," + layout.tensorParallel() + "," + layout.pipelineParallel() + ","
                        + layout.expertParallel(),
                layout.zeroStage(),
                layout.microBatch() + " x " + layout.accumulation(),
                layout.checkpointing() ? "yes" : "no",
                layout.sequenceParallel() ? "yes" : "no",
                memory.weights() / GIGABYTE,
                memory.gradients() / GIGABYTE,
                (memory.optimizerState() + memory.masters()) / GIGABYTE,
                memory.activations() / GIGABYTE,
                memory.peak() / GIGABYTE,
                proposal.inFiles() / GIGABYTE,
                proposal.step().bytes() / GIGABYTE,
                proposal.step().seconds());
    }

    /** {@return what ZeRO's stages hold on one device of this many, and what that saves} */
    public List<String> stageLines() {
        List<String> lines = new ArrayList<>();
        lines.add("model, gradients and optimizer, on one of " + cluster.devices());
        for (Planner.StageMemory stage : planner.stages(cluster.devices())) {
            lines.add(String.format(
                    Locale.ROOT,
                    "ZeRO %d  %8.2f GB  %5.1f%% saved",
                    stage.stage(),
                    stage.bytes() / GIGABYTE,
                    100 * stage.saved()));
        }
        return lines;
    }

    List<List<Planner.StageMemory>> stagesByDevices() {
        List<List<Planner.StageMemory>> all = new ArrayList<>();
        for (int devices = 1; devices <= LARGEST_TABLE; devices *= 2) {
            all.add(planner.stages(devices));
        }
        return all;
    }

    /** {@return the best layout for 1, 2, 4 devices and so on} */
    public List<String> deviceLines() {
        List<String> lines = new ArrayList<>();
        for (int devices = 1; devices <= LARGEST_TABLE; devices *= 2) {
            int count = devices;
            lines.add(planner.best(with(devices))
                    .map(best -> String.format(
                            Locale.ROOT,
                            "%5d devices  %7.1f GB  %8.2f s  %s",
                            count,
                            best.memory().peak() / GIGABYTE,
                            best.step().seconds(),
                            best.layout().describe()))
                    .orElseGet(() -> String.format(Locale.ROOT, "%5d devices  nothing fits", count)));
        }
        return lines;
    }

    /**
     * Draws the trade-off.
     *
     * @param file the HTML page
     * @throws org.finetune4j.UserErrorException when it cannot be written
     */
    public void writePage(Path file) {
        PlanPage.write(file, this);
    }

    /** {@return all of it, to be written as JSON} */
    public Map<String, @Nullable Object> values() {
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        values.put("model", name);
        values.put("parameters", shape.parameters());
        values.put("trainable_parameters", shape.trainable());
        values.put("devices", cluster.devices());
        values.put("memory", cluster.memory());
        values.put("sequence_length", shape.sequenceLength());
        values.put("proposal", best().map(TrainingPlanReport::values).orElse(null));
        values.put(
                "layouts",
                fitting.stream().limit(SHOWN).map(TrainingPlanReport::values).toList());
        values.put(
                "stages",
                planner.stages(cluster.devices()).stream()
                        .map(stage -> Map.of("stage", stage.stage(), "bytes", stage.bytes(), "saved", stage.saved()))
                        .toList());
        return values;
    }

    private static Map<String, Object> values(Proposal proposal) {
        Layout layout = proposal.layout();
        MemoryPlan memory = proposal.memory();
        StepEstimate step = proposal.step();
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("mesh", layout.mesh());
        values.put("zero_stage", layout.zeroStage());
        values.put("per_device_train_batch_size", layout.microBatch());
        values.put("gradient_accumulation_steps", layout.accumulation());
        values.put("gradient_checkpointing", layout.checkpointing());
        values.put("sequence_parallel", layout.sequenceParallel());
        values.put("weights", memory.weights());
        values.put("gradients", memory.gradients());
        values.put("optimizer", memory.optimizerState() + memory.masters());
        values.put("activations", memory.activations());
        values.put("peak", memory.peak());
        values.put("in_files", proposal.inFiles());
        values.put("bytes_sent", Math.round(step.bytes()));
        values.put("step_seconds", step.seconds());
        values.put("bubble", layout.bubble());
        return values;
    }
}
