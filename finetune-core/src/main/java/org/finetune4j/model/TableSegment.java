package org.finetune4j.model;

import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * The embedding of a model whose first hidden states are rows of its table. Its gradient is added to those rows of the table's where
 * they lie: autograd makes a second gradient as large as the table, of zeros but for a few rows. Passes with anything else, such as
 * virtual tokens, are autograd's.
 */
final class TableSegment implements Segment {

    private final DecoderModel network;
    private final DType computeDType;
    private final Segment other;

    TableSegment(DecoderModel network, DType computeDType) {
        this.network = network;
        this.computeDType = computeDType;
        this.other = AutogradSegment.embedding(network, computeDType);
    }

    @Override
    public boolean trains(SequenceContext context) {
        return other.trains(context);
    }

    private boolean isKnown(SequenceContext context) {
        Embedding embedding = network.inputEmbedding();
        Parameter table = embedding.weight();
        return network.looksUpRows()
                && table.isTrainable()
                && table.dtype() == DType.FLOAT32
                && computeDType == DType.FLOAT32
                && table.summed() == null
                && embedding.shard() == null
                && embedding.extension() == null
                && context.virtualEmbeddings() == null;
    }

    @Override
    public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients) {
        if (!gradients.wanted() || !isKnown(context)) {
            return other.forward(input, context, gradients);
        }
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor rows = scope.keep(network.embed(input, context, computeDType));
            return new Recorded(network.inputEmbedding(), input.unscoped(), rows);
        }
    }

    /**
     * Rows that were looked up.
     *
     * @param embedding has the table
     * @param input [batch, seq] int64, taken over
     * @param tensor [batch, seq, hidden]
     */
    private record Recorded(Embedding embedding, Tensor input, Tensor tensor) implements SegmentOutput {

        @Override
        public boolean isRecorded() {
            return true;
        }

        @Override
        public @Nullable Tensor backward(@Nullable Tensor gradient) {
            Tensor arrived = SegmentOutput.arrived(gradient, !input.isClosed());
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                add(arrived.reshape(-1, arrived.size(-1)), input.reshape(-1));
                return null;
            } finally {
                arrived.close();
                close();
            }
        }

        /**
         * @param gradient [tokens, hidden]
         * @param ids [tokens]
         */
        private void add(Tensor gradient, Tensor ids) {
            Parameter table = embedding.weight();
            if (embedding.paddingRow() >= 0) {
                Tensor padding = ids.eq((double) embedding.paddingRow()).unsqueeze(-1); // [tokens, 1]
                gradient.maskedFillInPlace(padding, 0);
            }
            Tensor present = table.value().grad();
            if (present == null) {
                present = Tensors.zeros(table.dtype(), table.device(), table.shape());
                table.addGradient(present);
            }
            present.indexAddInPlace(0, ids, gradient);
        }

        @Override
        public void close() {
            input.close();
        }
    }
}
