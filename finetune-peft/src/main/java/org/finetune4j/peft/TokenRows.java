package org.finetune4j.peft;

import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.EmbeddingExtension;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Some rows of a table of tokens, in the place of the base's: of the embedding, of the output layer, or of both where they
 * share their weight. What is stored are the rows themselves, so that it does not matter what the base has there.
 */
public final class TokenRows implements AdapterPart {

    private final DecoderModel network;
    private final List<String> keys;
    private final Module table;
    private final boolean tied;
    private final int[] ids;
    private final Parameter rows;
    private final Tensor index;
    private final Tensor positions;
    private final Tensor kept;
    private @Nullable ReplacedParameter merged;

    /**
     * Takes the base's rows as they are; nothing of the model is changed yet.
     *
     * @param alone whether the rows are an adapter by themselves, whose file has those of a tied output layer once more
     */
    TokenRows(
            CausalLM model,
            String path,
            Module table,
            List<Integer> tokens,
            boolean tied,
            boolean alone,
            boolean trainable) {
        this.network = model.network();
        String name = alone ? ".trainable_tokens_delta" : ".token_adapter.trainable_tokens_delta";
        List<String> paths = alone && tied ? List.of(path, network.nameOf(network.outputLayer())) : List.of(path);
        this.keys = paths.stream()
                .map(place -> AdapterWeights.PREFIX + place + name)
                .toList();
        this.table = table;
        this.tied = tied;
        this.ids = tokens.stream().mapToInt(id -> id).toArray();
        Parameter weight = weight();
        if (weight.slice() != null) {
            throw new UserErrorException((alone ? "method trainable_tokens" : TokenIndices.KEY)
                    + " is not implemented on " + path
                    + ", of which every rank has a slice: tensor_parallel_size 1, or "
                    + (alone ? AdaptedLinear.ANOTHER_METHOD : "modules_to_save: [" + path + "]"));
        }
        long count = weight.size(0);
        for (int id : ids) {
            if (id >= count) {
                throw new UserErrorException(
                        TokenIndices.KEY + ": there is no token " + id + ", '" + path + "' has " + count + " rows");
            }
        }
        long[] positionOf = new long[(int) count];
        Arrays.fill(positionOf, ids.length);
        float[] keep = new float[(int) count];
        Arrays.fill(keep, 1);
        for (int i = 0; i < ids.length; i++) {
            positionOf[ids[i]] = i;
            keep[ids[i]] = 0;
        }
        this.index = Tensors.of(ids, ids.length)
                .to(DType.INT64)
                .to(model.device())
                .copy()
                .unscoped();
        this.positions = Tensors.of(positionOf, count).to(model.device()).copy().unscoped();
        this.kept = Tensors.of(keep, count).to(model.device()).copy().unscoped();
        Tensor values = weight.as(AdapterDType.of(model)).detach().indexSelect(0, index);
        this.rows = InitialValues.parameter(model, path + ".trainable_tokens_delta", values.copy(), trainable);
    }

    /** Starts from standard normal values in place of the base's rows. */
    void drawAgain() {
        rows.value().detach().copyInPlace(InitialValues.normal(index.device(), 1, rows.shape()));
    }

    private Parameter weight() {
        return table instanceof Embedding embedding ? embedding.weight() : ((Linear) table).weight();
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        keys.forEach(key -> parameters.put(key, rows));
        return parameters;
    }

    @Override
    public void enable() {
        if (table instanceof Embedding embedding) {
            embedding.extend(new InEmbedding(embedding));
        } else {
            ((Linear) table).extend(new InOutput());
        }
        if (tied) {
            try {
                network.outputLayer().extend(new InOutput());
            } catch (UserErrorException e) {
                network.inputEmbedding().removeExtension();
                throw e;
            }
        }
    }

    @Override
    public void disable() {
        if (table instanceof Embedding embedding) {
            embedding.removeExtension();
        } else {
            ((Linear) table).removeExtension();
        }
        if (tied) {
            network.outputLayer().removeExtension();
        }
    }

    @Override
    public void merge(boolean keepTies) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Parameter weight = weight();
            Tensor own = FiniteValues.convert(weight.name(), rows.value().detach(), weight.dtype());
            Tensor whole = weight.as(weight.dtype())
                    .mul(kept.to(weight.dtype()).unsqueeze(1))
                    .indexAddInPlace(0, index, FiniteValues.require(weight.name(), own)); // [count, hidden]
            Parameter folded = new Parameter(weight.name(), scope.keep(whole));
            ReplacedParameter replaced = tied || keepTies
                    ? ReplacedParameter.everywhere(network, weight, folded)
                    : ReplacedParameter.in(table, "weight", folded);
            replaced.install();
            merged = replaced;
            disable();
        }
    }

    @Override
    public void unmerge() {
        ReplacedParameter replaced = merged;
        if (replaced != null) {
            replaced.putBack();
            replaced.replacement().close();
            merged = null;
            enable();
        }
    }

    @Override
    public void free() {
        rows.close();
        index.close();
        positions.close();
        kept.close();
    }

    /** Looks the rows up where their tokens stand. */
    private final class InEmbedding implements EmbeddingExtension {

        private final long frozen;

        InEmbedding(Embedding embedding) {
            long padding = embedding.paddingRow();
            long place = -1;
            for (int i = 0; i < ids.length; i++) {
                place = ids[i] == padding ? i : place;
            }
            this.frozen = place;
        }

        @Override
        public Tensor forward(Tensor tokens, Tensor looked) {
            DType dtype = looked.dtype();
            long[] shape = looked.shape();
            Tensor flat = tokens.reshape(-1);
            Tensor own = rows.as(dtype);
            Tensor none = Tensors.zeros(dtype, looked.device(), 1, own.size(1));
            Tensor learned = Functional.embedding(
                    Tensors.cat(List.of(own, none), 0), positions.indexSelect(0, flat), frozen); // [tokens, hidden]
            Tensor others = looked.reshape(-1, own.size(1))
                    .mul(kept.indexSelect(0, flat).to(dtype).unsqueeze(1)); // [tokens, hidden]
            return others.add(learned).reshape(shape); // [..., hidden]
        }

        @Override
        public Collection<Parameter> parameters() {
            return List.of(rows);
        }

        @Override
        public String toString() {
            return TokenIndices.KEY;
        }
    }

    /** Gives the tokens the scores of their rows. */
    private final class InOutput implements LinearExtension {

        @Override
        public Tensor forward(Linear base, Tensor x, @Nullable SequenceContext context) {
            DType dtype = x.dtype();
            Tensor learned = Functional.linear(x, rows.as(dtype), null); // [..., rows]
            return base.project(x, context)
                    .mul(kept.to(dtype))
                    .indexAddInPlace(x.dim() - 1, index, learned); // [..., count]
        }

        @Override
        public Collection<Parameter> parameters() {
            return List.of(rows);
        }

        @Override
        public String toString() {
            return TokenIndices.KEY;
        }
    }
}
