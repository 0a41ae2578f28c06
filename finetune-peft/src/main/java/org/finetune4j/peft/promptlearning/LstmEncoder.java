package org.finetune4j.peft.promptlearning;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/** The encoder of P-tuning (Liu et al. 2021): a bidirectional LSTM over the virtual tokens, then a small MLP. */
public final class LstmEncoder implements PromptEncoder {

    /** Two matrices and two biases for each of two directions. */
    private static final int PER_LAYER = 8;

    private final EncoderParameters parameters;
    private final Parameter table;
    private final List<Parameter> lstm = new ArrayList<>();
    private final LinearStack head;
    private final long hidden;
    private final double dropout;

    /**
     * Makes the LSTM of P-tuning as PEFT has it.
     *
     * @param model decides type and device
     * @param tokens how many virtual tokens there are
     * @param width of the table and of a virtual token
     * @param hidden size of the state of one direction
     * @param layers of the LSTM
     * @param dropout between two layers of the LSTM
     * @param trainable whether the parameters train
     */
    public LstmEncoder(
            CausalLM model, long tokens, long width, long hidden, int layers, double dropout, boolean trainable) {
        this.parameters = new EncoderParameters(model, trainable);
        this.hidden = hidden;
        this.dropout = dropout;
        this.table = parameters.addTable(tokens, width);
        for (int layer = 0; layer < layers; layer++) {
            long in = layer == 0 ? width : 2 * hidden;
            addDirection("_l" + layer, in);
            addDirection("_l" + layer + "_reverse", in);
        }
        this.head = new LinearStack(parameters, "mlp_head", Functional::relu, 2 * hidden, 2 * hidden, width);
    }

    private void addDirection(String suffix, long in) {
        double bound = 1 / Math.sqrt((double) hidden);
        lstm.add(parameters.addUniform("lstm_head.weight_ih" + suffix, bound, 4 * hidden, in));
        lstm.add(parameters.addUniform("lstm_head.weight_hh" + suffix, bound, 4 * hidden, hidden));
        lstm.add(parameters.addUniform("lstm_head.bias_ih" + suffix, bound, 4 * hidden));
        lstm.add(parameters.addUniform("lstm_head.bias_hh" + suffix, bound, 4 * hidden));
    }

    @Override
    public Map<String, Parameter> parameters() {
        return parameters.byName();
    }

    @Override
    public Tensor encode(Dropout active) {
        Tensor sequence = table.value().unsqueeze(0); // [1, tokens, width]
        List<Tensor> weights = lstm.stream().map(Parameter::value).toList();
        Tensor states = sequence; // [1, tokens, width or 2 hidden]
        for (int first = 0; first < weights.size(); first += PER_LAYER) {
            Tensor given = first == 0 ? states : active.apply(states, dropout);
            states = Functional.bidirectionalLstm(given, weights.subList(first, first + PER_LAYER), hidden);
        }
        return head.forward(states.squeeze(0)); // [tokens, width]
    }
}
