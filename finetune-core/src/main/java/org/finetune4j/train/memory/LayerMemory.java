package org.finetune4j.train.memory;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;

/**
 * What autograd keeps of one decoder layer for its backward pass, from the shapes of its parts: a norm keeps its input, an
 * attention block the queries, keys, values and its result, a feed-forward block what its activation and product need, and a
 * linear layer its input where its weight, or what a method added to it, trains.
 *
 * @param keptPerToken scalars kept for every token
 * @param normsPerToken of those, what the norms between the blocks keep
 * @param inputsPerToken of those, inputs of blocks and what adapters keep between their two matrices
 * @param backwardPerToken scalars that the backward pass needs beside them, at most
 * @param gapsPerToken scalars of the blocks that a forward pass frees and the C library cannot use again: an aligned block
 *     needs a little more room than a freed one of its size has. About two of the widest and two of the stream's width a
 *     layer, seen by comparing with a run where every tensor is mapped on its own
 * @param convertedWeights scalars of weights that are converted to be calculated with, and kept as long
 */
record LayerMemory(
        long keptPerToken,
        long normsPerToken,
        long inputsPerToken,
        long backwardPerToken,
        long gapsPerToken,
        long convertedWeights) {

    private static final Pattern ATTENTION = Pattern.compile("attn|attention");
    private static final Pattern EXPERT = Pattern.compile("(.*)\\.experts\\.\\d+");

    /** @param hidden size of the stream */
    static LayerMemory of(DecoderLayer layer, long hidden, DType computeDType) {
        Map<String, Module> modules = layer.namedModules();
        Map<String, List<Linear>> blocks = new LinkedHashMap<>();
        long inner = 0;
        long norms = 0;
        long inputs = 0;
        long converted = 0;
        for (Map.Entry<String, Module> entry : modules.entrySet()) {
            String parent = parentOf(entry.getKey());
            if (entry.getValue() instanceof Linear linear) {
                blocks.computeIfAbsent(parent, key -> new ArrayList<>()).add(linear);
                if (linear.weight().dtype() != computeDType) {
                    converted += linear.weight().numel();
                }
            } else if (entry.getValue() instanceof Norm && parent.isEmpty()) {
                boolean trains = entry.getValue().isTrainable();
                norms += trains ? 2 * hidden : hidden;
            }
        }
        long widest = 0;
        for (Map.Entry<String, List<Linear>> block : blocks.entrySet()) {
            boolean attention = ATTENTION.matcher(block.getKey()).find();
            double share = shareOfTokens(block.getKey(), modules);
            List<Linear> linears = block.getValue();
            inner += Math.round(share * (attention ? attention(layer.attention(), linears) : feedForward(linears)));
            inputs += Math.round(share * inputs(linears, hidden));
            widest = Math.max(widest, linears.get(linears.size() - 1).inFeatures());
        }
        return new LayerMemory(
                inner + norms + inputs, norms, inputs, 3 * widest + 3 * hidden, 2 * widest + 2 * hidden, converted);
    }

    /** An expert sees some of the tokens. */
    private static double shareOfTokens(String block, Map<String, Module> modules) {
        Matcher expert = EXPERT.matcher(block);
        return expert.matches() && modules.get(expert.group(1)) instanceof MixtureOfExperts mixture
                ? mixture.shareOfExperts()
                : 1;
    }

    private static String parentOf(String path) {
        int dot = path.lastIndexOf('.');
        return dot < 0 ? "" : path.substring(0, dot);
    }

    /** Queries, keys and values of every query head, and the attended values. */
    private static long attention(Attention attention, List<Linear> linears) {
        long heads = linears.get(linears.size() - 1).inFeatures() / attention.headDim();
        return 4 * heads * attention.attendedDim();
    }

    private static long feedForward(List<Linear> linears) {
        Linear last = linears.get(linears.size() - 1);
        long before = linears.subList(0, linears.size() - 1).stream()
                .mapToLong(Linear::outFeatures)
                .sum();
        boolean gated = before >= 2 * last.inFeatures();
        // A gate's activation is kept for its product with the other half.
        return before + (gated ? last.inFeatures() : 0) + (keepsInput(last) ? last.inFeatures() : 0);
    }

    /** The block's normalised input where a first layer keeps it, and what adapters keep between their two matrices. */
    private static long inputs(List<Linear> linears, long hidden) {
        boolean keepsFirst =
                linears.subList(0, Math.max(1, linears.size() - 1)).stream().anyMatch(LayerMemory::keepsInput);
        return (keepsFirst ? hidden : 0)
                + linears.stream().mapToLong(LayerMemory::adapterWidth).sum();
    }

    private static boolean keepsInput(Linear linear) {
        LinearExtension extension = linear.extension();
        return linear.weight().isTrainable()
                || (extension != null && extension.parameters().stream().anyMatch(Parameter::isTrainable));
    }

    private static long adapterWidth(Linear linear) {
        LinearExtension extension = linear.extension();
        if (extension == null) {
            return 0;
        }
        return extension.parameters().stream()
                .filter(parameter -> parameter.shape().length == 2)
                .mapToLong(parameter -> Math.min(parameter.size(0), parameter.size(1)))
                .max()
                .orElse(0);
    }
}
