package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Weights of the base that an adapter's file holds in other values than the model has, such as an embedding that was
 * resized for the training: PEFT puts them in the place of the base's.
 */
final class StoredBase {

    /** What rounding may make of a weight that is the same. */
    static final double SAME = 1e-6;

    private StoredBase() {}

    /**
     * The exchange, or null where the file has no such weights.
     *
     * @param own the adapter's own keys
     */
    static @Nullable ReplacedWeights of(DecoderModel network, SafetensorsFile file, Set<String> own) {
        BaseKeys base = new BaseKeys(network);
        IdentityHashMap<Parameter, ReplacedParameter> replaced = new IdentityHashMap<>();
        List<ReplacedParameter> inOrder = new ArrayList<>();
        Map<String, Parameter> byKey = new LinkedHashMap<>();
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            for (String key : file.names()) {
                Parameter original = own.contains(key) ? null : base.find(key);
                if (original == null || !differs(file, key, original)) {
                    continue;
                }
                ReplacedParameter known = replaced.get(original);
                if (known == null) {
                    Parameter copy = new Parameter(
                                    original.name(),
                                    original.ownPart(file.tensor(key))
                                            .to(original.dtype())
                                            .to(original.device())
                                            .copy())
                            .sharedAs(original);
                    known = ReplacedParameter.everywhere(network, original, copy);
                    replaced.put(original, known);
                    inOrder.add(known);
                }
                byKey.put(key, known.replacement());
            }
        }
        return inOrder.isEmpty() ? null : new ReplacedWeights(inOrder, byKey);
    }

    /** Whether values stand there for a parameter of this shape that are not its own; a compressed one is never replaced. */
    private static boolean differs(SafetensorsFile file, String key, Parameter parameter) {
        return parameter.compressed() == null
                && Arrays.equals(file.info(key).shape(), parameter.wholeShape())
                && !(difference(file, key, parameter) <= SAME);
    }

    /** The largest difference between a stored tensor and a parameter of the same shape, in the parameter's own type. */
    static double difference(SafetensorsFile file, String key, Parameter parameter) {
        Tensor own = parameter.as(DType.FLOAT32).detach();
        Tensor stored = parameter
                .ownPart(file.tensor(key))
                .to(own.device())
                .to(parameter.dtype())
                .to(DType.FLOAT32);
        return own.sub(stored).abs().max().item();
    }
}
