package org.finetune4j.cli.advise;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.plan.Cluster;
import org.finetune4j.dist.plan.Layout;
import org.finetune4j.dist.plan.Planner;
import org.finetune4j.dist.plan.Proposal;
import org.finetune4j.dist.plan.TrainingShape;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.quant.Quantization;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.memory.MemoryPlan;

/** Asks the planner and the memory plan about every kind of training, from shapes alone: no weights are read. */
final class Choices {

    /** As much of a device as may be planned with. */
    private static final double USABLE = 0.9;

    /** A row needs a token and the one that follows it. */
    private static final int SHORTEST = 2;

    private final Situation situation;
    private final int samples;
    private final int tokens;

    /** @param samples of an update */
    Choices(Situation situation, int samples) {
        this.situation = situation;
        this.samples = samples;
        try (CausalLM shapes = shapes()) {
            this.tokens = Math.min(
                    Math.max(SHORTEST, situation.tokensPerRecord()),
                    shapes.network().maxPositions());
        }
    }

    /** Tokens of a row: a long record's, as far as the model sees them. */
    int tokens() {
        return tokens;
    }

    /** The best layout of a kind that fits, if one does. */
    Optional<Choice> fitting(Choice.Kind kind, int rank) {
        return switch (kind) {
            case FULL -> planned(kind, new FullFineTuning());
            case LORA -> planned(kind, lora(rank));
            case QLORA -> packed(rank);
        };
    }

    /** The least memory that a kind takes of a device, over all of them, or on one that is alone. */
    long smallest(Choice.Kind kind, int rank, boolean alone) {
        Cluster all = situation.devices();
        Cluster devices = new Cluster(
                alone ? 1 : all.devices(),
                all.memory(),
                all.devicesPerHost(),
                all.operations(),
                all.hostBandwidth(),
                all.networkBandwidth());
        FineTuningStrategy strategy = kind == Choice.Kind.FULL ? new FullFineTuning() : lora(rank);
        try (CausalLM shapes = shapes();
                AttachedStrategy attached = strategy.attach(shapes)) {
            MemoryPlan memory = new Planner(shape(shapes, attached), samples, false)
                    .smallest(devices)
                    .memory();
            return kind == Choice.Kind.QLORA ? withPackedWeights(memory, shapes).peak() : memory.peak();
        }
    }

    private Optional<Choice> planned(Choice.Kind kind, FineTuningStrategy strategy) {
        try (CausalLM shapes = shapes();
                AttachedStrategy attached = strategy.attach(shapes)) {
            return new Planner(shape(shapes, attached), samples, false)
                    .best(situation.devices())
                    .map(proposal -> choice(kind, proposal, proposal.memory()));
        }
    }

    /** Every device holds the packed base; what LoRA adds is small enough for that. */
    private Optional<Choice> packed(int rank) {
        try (CausalLM shapes = shapes();
                AttachedStrategy attached = lora(rank).attach(shapes)) {
            Cluster devices = situation.devices();
            List<Choice> fitting = new ArrayList<>();
            for (Proposal proposal : new Planner(shape(shapes, attached), samples, false).candidates(devices)) {
                Layout layout = proposal.layout();
                MemoryPlan memory = withPackedWeights(proposal.memory(), shapes);
                boolean copies = layout.tensorParallel() * layout.pipelineParallel() * layout.expertParallel() == 1
                        && layout.zeroStage() <= 2;
                if (copies && memory.peak() <= USABLE * devices.memory()) {
                    fitting.add(choice(Choice.Kind.QLORA, proposal, memory));
                }
            }
            return fitting.stream().min((a, b) -> Double.compare(a.secondsPerSample(), b.secondsPerSample()));
        }
    }

    private Choice choice(Choice.Kind kind, Proposal proposal, MemoryPlan memory) {
        return new Choice(
                kind,
                proposal.layout(),
                memory,
                proposal.step().seconds() / proposal.layout().samples());
    }

    private static FineTuningStrategy lora(int rank) {
        return Lora.builder()
                .rank(rank)
                .alpha(2 * rank)
                .targetModules("all-linear")
                .build();
    }

    private CausalLM shapes() {
        String architecture = situation.model().architecture();
        if (architecture.endsWith("ForSequenceClassification")) {
            throw new UserErrorException(
                    architecture
                            + " is a classifier, and advice is for causal language models: ./finetune validate says what its training needs");
        }
        return CausalLM.shapes(situation.model(), DType.BFLOAT16);
    }

    private TrainingShape shape(CausalLM shapes, AttachedStrategy attached) {
        return new TrainingShape(shapes, attached, TrainingArguments.defaults(), tokens, MemoryPlan.TYPICAL_PROCESS);
    }

    /** The same plan over weights of 4 bits, one layer of which is whole at a time. */
    private static MemoryPlan withPackedWeights(MemoryPlan plan, CausalLM shapes) {
        Quantization quantization = Quantization.qlora();
        long saved = 0;
        long largest = 0;
        for (var entry : shapes.network().namedModules().entrySet()) {
            Module module = entry.getValue();
            if (module instanceof Linear linear && quantization.covers(entry.getKey() + ".weight")) {
                saved += linear.weight().bytes()
                        - quantization.bytes(linear.weight().numel());
                largest = Math.max(largest, linear.weight().bytes());
            }
        }
        return plan.toBuilder().weights(plan.weights() - saved + largest).build();
    }
}
