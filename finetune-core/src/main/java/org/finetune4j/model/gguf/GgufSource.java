package org.finetune4j.model.gguf;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * A tensor of a checkpoint, or several that llama.cpp has in one: what is numbered within a layer, such as experts or the
 * norms of heads, is stacked.
 *
 * @param name without the number
 * @param parts the stored names in the order of their numbers, or the one
 * @param isStack whether they are numbered
 */
record GgufSource(CheckpointReader checkpoint, String name, List<String> parts, boolean isStack) {

    /** A second number in a name: the first is the layer's. */
    private static final Pattern NUMBERED = Pattern.compile("(.*\\.\\d+\\..*)\\.(\\d{1,6})(\\..+)");

    /** All tensors whose names are {@code wanted}, in the checkpoint's order. */
    static List<GgufSource> of(CheckpointReader checkpoint, Predicate<String> wanted) {
        Map<String, SortedMap<Integer, String>> stacks = new LinkedHashMap<>();
        for (String name : checkpoint.names()) {
            if (wanted.test(name)) {
                Matcher numbered = NUMBERED.matcher(name);
                boolean part = numbered.matches();
                stacks.computeIfAbsent(part ? numbered.group(1) + numbered.group(3) : name, key -> new TreeMap<>())
                        .put(part ? Integer.parseInt(numbered.group(2)) : -1, name);
            }
        }
        List<GgufSource> sources = new ArrayList<>();
        stacks.forEach((name, parts) ->
                sources.add(new GgufSource(checkpoint, name, List.copyOf(parts.values()), parts.firstKey() >= 0)
                        .requireComplete(parts.lastKey() + 1)));
        return sources;
    }

    private GgufSource requireComplete(int expected) {
        if (isStack && parts.size() != expected) {
            throw new UserErrorException(checkpoint.directory() + ": of tensors like '" + parts.get(0) + "' there are "
                    + parts.size() + ", numbered up to " + (expected - 1) + ": some are missing");
        }
        return this;
    }

    /** The shape, [parts, ...] where it is a stack. */
    long[] shape() {
        long[] one = checkpoint.shape(parts.get(0));
        if (!isStack) {
            return one;
        }
        long[] all = new long[one.length + 1];
        all[0] = parts.size();
        System.arraycopy(one, 0, all, 1, one.length);
        return all;
    }

    boolean hasValuesOf(GgufSource other) {
        try (TensorScope scope = TensorScope.open()) {
            return tensor().hasValuesOf(other.tensor());
        }
    }

    /** Reads the numbers. */
    Tensor tensor() {
        return isStack
                ? Tensors.stack(parts.stream().map(checkpoint::tensor).toList(), 0) // [parts, ...]
                : checkpoint.tensor(name);
    }
}
