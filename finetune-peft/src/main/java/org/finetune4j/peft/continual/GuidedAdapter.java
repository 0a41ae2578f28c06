package org.finetune4j.peft.continual;

import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.TrainingHooks;

/** An adapter whose training has penalties beside the method's own. */
final class GuidedAdapter implements Adapter {

    private final Adapter adapter;
    private final List<ParameterPenalty> penalties;

    GuidedAdapter(Adapter adapter, List<ParameterPenalty> penalties) {
        this.adapter = adapter;
        this.penalties = List.copyOf(penalties);
    }

    @Override
    public TrainingHooks trainingHooks() {
        TrainingHooks own = adapter.trainingHooks();
        return new TrainingHooks() {
            @Override
            public double learningRateFactor(Parameter parameter) {
                return own.learningRateFactor(parameter);
            }

            @Override
            public void beforeTraining(long totalSteps) {
                own.beforeTraining(totalSteps);
            }

            @Override
            public double penalty(boolean addGradients) {
                double sum = own.penalty(addGradients);
                for (ParameterPenalty penalty : penalties) {
                    sum += penalty.add(addGradients);
                }
                return sum;
            }

            @Override
            public boolean readsGradients() {
                return own.readsGradients();
            }

            @Override
            public void afterUpdate(long step) {
                own.afterUpdate(step);
                penalties.forEach(ParameterPenalty::afterUpdate);
            }
        };
    }

    @Override
    public Collection<Parameter> trainableParameters() {
        return adapter.trainableParameters();
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        return adapter.parametersByKey();
    }

    @Override
    public void save(Path directory) {
        adapter.save(directory);
    }

    @Override
    public void export(Path directory) {
        adapter.export(directory);
    }

    @Override
    public void restore(Path directory) {
        adapter.restore(directory);
    }

    @Override
    public boolean isEnabled() {
        return adapter.isEnabled();
    }

    @Override
    public void enable() {
        adapter.enable();
    }

    @Override
    public void disable() {
        adapter.disable();
    }

    @Override
    public void merge() {
        adapter.merge();
    }

    @Override
    public void mergeKeepingTies() {
        adapter.mergeKeepingTies();
    }

    @Override
    public void unmerge() {
        adapter.unmerge();
    }

    @Override
    public void close() {
        adapter.close();
        penalties.forEach(ParameterPenalty::close);
    }
}
