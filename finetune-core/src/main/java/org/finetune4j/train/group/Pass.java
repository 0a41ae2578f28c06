package org.finetune4j.train.group;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.BatchPart;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.gradient.MicroBatch;
import org.finetune4j.train.gradient.MicroBatches;
import org.finetune4j.train.steps.StepBatch;
import org.jspecify.annotations.Nullable;

/** The way of one {@link Share.Turn} through the model, forwards and backwards. */
public final class Pass {

    private final DecoderModel network;
    private final Share.Turn turn;
    private final double scale;
    private final MatrixProducts.Choice products;
    private final BatchPart batchPart;
    private @Nullable LossHead head;

    /**
     * A pass that has not begun.
     *
     * @param network the model's layers
     * @param turn what goes through them
     * @param scale what the sum over the batch is multiplied by
     * @param products who multiplies
     * @param sum adds up numbers over the ranks that share the data
     * @param seed of what the batch's way draws, the same for all parts of the batch
     */
    public Pass(
            DecoderModel network,
            Share.Turn turn,
            double scale,
            MatrixProducts.Choice products,
            UnaryOperator<double[]> sum,
            long seed) {
        this.batchPart = turn.divided()
                ? new BatchPart(!turn.idle(), sum, turn.portion(), seed)
                : BatchPart.WHOLE.withSeed(seed);
        this.network = network;
        this.turn = turn;
        this.scale = turn.idle() ? 0 : scale;
        this.products = products;
    }

    /** {@return what goes through the model} */
    public StepBatch part() {
        return turn.part();
    }

    /** {@return whether it does not count} */
    public boolean isIdle() {
        return turn.idle();
    }

    /** {@return whether other ranks have the rest of the same batch} */
    public boolean isDivided() {
        return turn.divided();
    }

    /** {@return what the model reads} */
    public ModelInputs inputs() {
        return part().batch().modelInputs();
    }

    /** {@return who multiplies while this batch is on its way; to be closed by the same thread} */
    public MatrixProducts.Mode products() {
        return MatrixProducts.by(products);
    }

    /** {@return the end of the chain, made when it is first asked for, once the batch is prepared} */
    public LossHead head() {
        LossHead made = head;
        if (made == null) {
            made = part().objective().head(network, part().batch(), scale);
            head = made;
        }
        return made;
    }

    /**
     * Runs it by itself.
     *
     * @param backpropagation of the model
     * @return the loss
     */
    public double run(Backpropagation backpropagation) {
        part().prepare().run();
        try (MatrixProducts.Mode products = products()) {
            return backpropagation.run(inputs(), head(), batchPart);
        }
    }

    /**
     * Sets it on its way, to run over ranges of segments.
     *
     * @param batches of the model
     * @return to be closed when it has gone back
     */
    public MicroBatch start(MicroBatches batches) {
        part().prepare().run();
        return batches.start(inputs(), head(), batchPart);
    }

    /** {@return what the objective measured in the pass, which is over} */
    public Map<String, Average> metrics() {
        return isIdle() || head == null ? Map.of() : new LinkedHashMap<>(head.metrics());
    }
}
