package org.finetune4j.train.optimizer;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;

/**
 * Another optimizer, beside which the moving average of the weights is kept ({@code ema_decay}); it is what is evaluated and saved.
 *
 * @param training makes the optimizer that changes the weights
 * @param decay what the average so far counts for at every step, above 0 and below 1
 */
public record AveragingProvider(OptimizerProvider training, double decay) implements OptimizerProvider {

    /**
     * Looks at a saved state before an optimizer takes it over that keeps no average.
     *
     * @param state names of what was saved
     * @throws UserErrorException when the run that is resumed kept averages
     */
    public static void requireNone(Set<String> state) {
        if (state.stream().anyMatch(name -> name.endsWith("." + WeightAverage.KIND))) {
            throw new UserErrorException(
                    "the checkpoint has averages of its weights: set ema_decay as the run that is resumed had it");
        }
    }

    @Override
    public List<String> names() {
        return training.names();
    }

    @Override
    public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
        Optimizer made = training.create(groups, tables, options);
        if (made.averagesWeights()) {
            made.close();
            throw new UserErrorException(
                    "optim " + options.name() + " averages the weights itself: leave out ema_decay, which is " + decay);
        }
        return new WeightAverage(made, groups, decay);
    }

    @Override
    public boolean isElementwise() {
        return training.isElementwise();
    }

    @Override
    public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
        return training.stateBytes(shape, isTable, options) + OptimizerProvider.floatBytes(shape);
    }

    @Override
    public long residentBytes(long stateBytes, OptimizerOptions options) {
        return training.residentBytes(stateBytes, options);
    }

    @Override
    public Optional<Path> stateDirectory(OptimizerOptions options) {
        return training.stateDirectory(options);
    }
}
