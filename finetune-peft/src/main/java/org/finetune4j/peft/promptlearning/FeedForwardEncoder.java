package org.finetune4j.peft.promptlearning;

import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/** A small table, and a feed-forward network that makes the virtual tokens from its rows. */
public final class FeedForwardEncoder implements PromptEncoder {

    private final EncoderParameters parameters;
    private final Parameter table;
    private final LinearStack network;

    private FeedForwardEncoder(EncoderParameters parameters, Parameter table, LinearStack network) {
        this.parameters = parameters;
        this.table = table;
        this.network = network;
    }

    /**
     * The projection of prefix tuning (Li and Liang 2021): linear, tanh, linear.
     *
     * @param model decides type and device
     * @param tokens how many virtual tokens there are
     * @param tokenDim width of the table
     * @param hidden width between the two layers
     * @param width of a virtual token
     * @param zero whether the prefix starts as zeros
     * @param trainable whether the parameters train
     * @return the encoder
     */
    public static FeedForwardEncoder prefix(
            CausalLM model, long tokens, long tokenDim, long hidden, long width, boolean zero, boolean trainable) {
        EncoderParameters parameters = new EncoderParameters(model, trainable);
        Parameter table = parameters.addTable(tokens, tokenDim);
        LinearStack network = new LinearStack(parameters, "transform", Tensor::tanh, tokenDim, hidden, width);
        if (zero) {
            network.zeroLast();
        }
        return new FeedForwardEncoder(parameters, table, network);
    }

    /**
     * The MLP of P-tuning as PEFT has it: three linear layers with ReLU.
     *
     * @param model decides type and device
     * @param tokens how many virtual tokens there are
     * @param width of the table and of a virtual token
     * @param hidden width between the layers
     * @param trainable whether the parameters train
     * @return the encoder
     */
    public static FeedForwardEncoder pTuning(CausalLM model, long tokens, long width, long hidden, boolean trainable) {
        EncoderParameters parameters = new EncoderParameters(model, trainable);
        Parameter table = parameters.addTable(tokens, width);
        return new FeedForwardEncoder(
                parameters,
                table,
                new LinearStack(parameters, "mlp_head", Functional::relu, width, hidden, hidden, width));
    }

    @Override
    public Map<String, Parameter> parameters() {
        return parameters.byName();
    }

    @Override
    public Tensor encode(Dropout dropout) {
        return network.forward(table.value());
    }
}
