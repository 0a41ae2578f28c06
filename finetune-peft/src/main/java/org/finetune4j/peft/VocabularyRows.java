package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.model.VocabularyGrowth;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.jspecify.annotations.Nullable;

/**
 * The rows that an adapter's vocabulary needs in the embedding and the output layer: PEFT's users resize the model before
 * they put such an adapter onto it.
 */
final class VocabularyRows {

    private VocabularyRows() {}

    /**
     * The exchange of the tables for larger or smaller ones, or null where they fit. New rows are the mean of the others,
     * unless the file has values for them.
     *
     * @param file the adapter's weights, or null where they are of another format
     * @throws UserErrorException when the adapter's tables have no row for some of the tokens
     */
    static @Nullable ReplacedWeights of(CausalLM model, AdapterDirectory directory, @Nullable SafetensorsFile file) {
        DecoderModel network = model.network();
        long now = network.inputEmbedding().count();
        int needed = directory.tokenizer().map(Tokenizer::rows).orElse(0);
        OptionalLong stored = file == null ? OptionalLong.empty() : storedRows(network, file);
        if (stored.isEmpty()) {
            directory.checkVocabulary();
        }
        long rows = stored.orElse(Math.max(now, needed));
        if (rows == now) {
            return null;
        }
        if (stored.isPresent()) {
            int tokens = needed > 0 || !model.hasTokenizer()
                    ? needed
                    : model.tokenizer().rows();
            if (tokens > rows) {
                throw new UserErrorException(directory.path() + ": the adapter's embedding has " + rows
                        + " rows, and the tokenizer has " + tokens
                        + " tokens: the adapter was made for another vocabulary");
            }
        }
        List<ReplacedParameter> replaced = new ArrayList<>();
        try (Autograd.Mode mode = Autograd.disabled()) {
            replaced.add(resized(network, network.inputEmbedding().weight(), rows));
            Linear output = network.outputLayer();
            if (network.pooling() == null) {
                if (!network.isTied()) {
                    replaced.add(resized(network, output.weight(), rows));
                }
                Parameter bias = output.bias();
                if (bias != null) {
                    replaced.add(resized(network, bias, rows));
                }
            }
        }
        return new ReplacedWeights(replaced, Map.of());
    }

    /**
     * Whether it does not matter that the adapter's own base has another number of tokens: it stores no table, one of this
     * model's size, or says in its own tokenizer what the rows mean.
     */
    static boolean mayDiffer(CausalLM model, AdapterDirectory directory, @Nullable SafetensorsFile file) {
        OptionalLong stored = file == null ? OptionalLong.empty() : storedRows(model.network(), file);
        return directory.tokenizer().isPresent()
                || stored.isEmpty()
                || stored.getAsLong() == model.network().inputEmbedding().count();
    }

    /** The rows of a whole table in the file. */
    private static OptionalLong storedRows(DecoderModel network, SafetensorsFile file) {
        String path = AdapterWeights.PREFIX + network.nameOf(network.inputEmbedding()) + ".";
        for (String wrapper : BaseKeys.WRAPPERS) {
            String key = path + wrapper + "weight";
            if (file.contains(key) && file.info(key).shape().length == 2) {
                return OptionalLong.of(file.info(key).shape()[0]);
            }
        }
        return OptionalLong.empty();
    }

    private static ReplacedParameter resized(DecoderModel network, Parameter table, long rows) {
        if (table.compressed() != null) {
            throw new UserErrorException("the adapter's vocabulary needs " + rows + " rows in '" + table.name()
                    + "', which is quantised: load the model without load_in_4bit and load_in_8bit");
        }
        Parameter larger = new Parameter(table.name(), VocabularyGrowth.resized(table.as(table.dtype()), rows));
        return ReplacedParameter.everywhere(network, table, larger);
    }
}
