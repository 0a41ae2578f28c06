package org.finetune4j.dist.pipeline;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.BooleanSupplier;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.mesh.Mesh;
import org.finetune4j.dist.zero.DataParallelMembership;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.nn.Residency;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.group.Pass;

/** What a rank does that has some layers of a model: batches come from the stage before and go to the one after. */
final class PipelineMembership extends DataParallelMembership {

    private final Communicator pipeline;
    private final StageParts parts;
    private final StageResidency residency;
    private final PipelineSchedule schedule;
    private final StagePlan plan;
    private final CausalLM model;
    private final PipelineLinks links;
    private Map<String, Average> measured = Map.of();

    PipelineMembership(
            Mesh mesh,
            StageParts parts,
            PipelineSchedule schedule,
            StagePlan plan,
            CausalLM model,
            AttachedStrategy strategy,
            TrainingArguments arguments) {
        super(mesh.world(), mesh.data(), parts, model, strategy, arguments);
        this.pipeline = mesh.pipeline();
        this.parts = parts;
        this.schedule = schedule;
        this.plan = plan;
        this.model = model;
        this.residency = new StageResidency(parts, model.network());
        this.links = new PipelineLinks(pipeline, model.device(), model.computeDType());
        parts.release();
    }

    private boolean isLast() {
        return pipeline.rank() == pipeline.size() - 1;
    }

    @Override
    public List<Residency> residencies() {
        List<Residency> all = new ArrayList<>(List.of(residency));
        all.addAll(super.residencies());
        return all;
    }

    @Override
    public OptionalDouble run(Backpropagation backpropagation, List<Pass> passes, BooleanSupplier stop) {
        PipelineShape shape = new PipelineShape(pipeline.size(), plan.stages() / pipeline.size(), passes.size());
        try (PipelineStep step = new PipelineStep(shape, plan, links, model, backpropagation, passes)) {
            residency.inStages(true);
            double loss = step.run(schedule.actions(shape, pipeline.rank()));
            measured = step.bubble();
            return OptionalDouble.of(loss);
        } finally {
            residency.inStages(false);
        }
    }

    @Override
    public void reduceGradients() {
        parts.sumShared();
        super.reduceGradients();
    }

    /** The last stage has the loss and what the objective measured, every stage the extra losses of its layers. */
    @Override
    public Sums sum(double loss, Map<String, Average> metrics) {
        Map<String, Average> own = new LinkedHashMap<>(isLast() ? metrics : Map.of());
        own.putAll(measured);
        Sums stage = super.sum(loss, own);
        return sum(pipeline, stage.loss(), stage.metrics());
    }

    @Override
    public double[] sumOfParts(double[] numbers) {
        return sum(pipeline, sum(numbers));
    }

    @Override
    public Map<String, ParameterPart> held(Map<String, Tensor> state) {
        Map<String, Tensor> own = new LinkedHashMap<>();
        state.forEach((name, tensor) -> {
            if (parts.saves(name)) {
                own.put(name, tensor);
            }
        });
        return super.held(own);
    }

    @Override
    public Optional<Tensor> taken(String name, Tensor whole) {
        return parts.takes(name) ? super.taken(name, whole) : Optional.empty();
    }

    @Override
    public void close() {
        super.close();
        links.close();
        parts.close();
    }
}
