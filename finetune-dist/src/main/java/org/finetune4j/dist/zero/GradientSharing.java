package org.finetune4j.dist.zero;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.nn.Residency;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ParameterGroup;

/** How the ranks of a data axis share gradients and what is made of them. */
interface GradientSharing {

    /** What is done around every segment. */
    List<Residency> residencies();

    /** Adds up the gradients over the ranks, as far as that has not been done. */
    void reduce();

    /**
     * The squares of the summed gradients, over all ranks of the data axis.
     *
     * @param copies how many ranks beyond the data axis have the same gradient of a parameter
     */
    double squares(ToDoubleFunction<Parameter> copies);

    /** Is shown gradients. */
    interface Reader {

        /**
         * Looks at one.
         *
         * @param parameter whose it is
         * @param gradient the summed one, or this rank's part of it
         * @param alike how many ranks of the data axis have the same
         */
        void read(Parameter parameter, Tensor gradient, int alike);
    }

    /** Shows what this rank has of the summed gradients. */
    void each(Reader reader);

    /** What this rank updates, whose gradients are the summed ones. */
    Collection<Parameter> updated();

    Optimizer optimizer(
            OptimizerProvider provider, List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options);

    /** The rank of the data axis that alone has a parameter's state as a whole, or -1 where all have it or parts of it. */
    default int holder(Parameter parameter) {
        return -1;
    }

    /** What this rank saves of the optimizer's state. */
    Map<String, ParameterPart> held(Map<String, Tensor> state);

    /** What this rank takes over of a saved state. */
    Optional<Tensor> taken(String name, Tensor whole);
}
