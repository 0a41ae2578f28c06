package org.finetune4j.peft;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ShapeValue;
import org.finetune4j.tensor.DType;

/**
 * A parameter of the base model that a method trains as a whole, in a copy of its own: the base keeps its value.
 */
public final class TrainedCopy implements AdapterPart {

    private final List<String> keys;
    private final ReplacedParameter replaced;

    private TrainedCopy(List<String> keys, ReplacedParameter replaced) {
        this.keys = keys;
        this.replaced = replaced;
    }

    /**
     * A copy of one of a module's own parameters, for this module only: a weight that was shared is shared no longer.
     *
     * @param key what the adapter's file calls it
     * @param path of the module in the model
     * @param module owns the parameter
     * @param name short name of the parameter, such as {@code bias}
     * @param dtype the type that the copy is stored in
     * @param trainable whether it trains
     * @return the copy, not yet in the model
     */
    public static TrainedCopy of(String key, String path, Module module, String name, DType dtype, boolean trainable) {
        Parameter original = module.ownParameters().get(name);
        if (original == null) {
            throw new IllegalArgumentException(path + " has no parameter '" + name + "'");
        }
        Parameter copy = copy(path + "." + name, original, dtype, trainable);
        return new TrainedCopy(List.of(key), ReplacedParameter.in(module, name, copy));
    }

    /**
     * A copy of a parameter for all modules of {@code model} that share it.
     *
     * @param keys what the adapter's file calls it, one name or several
     * @param model the whole network
     * @param name of the parameter in it
     * @param original the parameter
     * @param dtype the type that the copy is stored in
     * @param trainable whether it trains
     * @return the copy, not yet in the model
     */
    public static TrainedCopy shared(
            List<String> keys, Module model, String name, Parameter original, DType dtype, boolean trainable) {
        Parameter copy = copy(name, original, dtype, trainable);
        return new TrainedCopy(keys, ReplacedParameter.everywhere(model, original, copy));
    }

    private static Parameter copy(String name, Parameter original, DType dtype, boolean trainable) {
        if (original.standsForAnother()) {
            throw new UserErrorException(
                    "'" + name + "' trains in another adapter already: disable that adapter before another");
        }
        Parameter copy = (original.isShape()
                        ? Parameter.inPlaceOf(name, new ShapeValue(dtype, original.shape()))
                        : Parameter.inPlaceOf(name, original.as(dtype).detach().copy()))
                .sharedAs(original);
        if (trainable) {
            copy.train(dtype);
        }
        return copy;
    }

    /**
     * The path of the module that the parameter belongs to; of one that several share, the first.
     *
     * @return the path in the model
     */
    public String module() {
        String name = parameter().name();
        return name.substring(0, name.lastIndexOf('.'));
    }

    /**
     * The copy.
     *
     * @return what stands in the model in the base's place
     */
    public Parameter parameter() {
        return replaced.replacement();
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> byKey = new LinkedHashMap<>();
        keys.forEach(key -> byKey.put(key, replaced.replacement()));
        return byKey;
    }

    @Override
    public void enable() {
        if (!replaced.isFree()) {
            throw new UserErrorException("'" + replaced.replacement().name()
                    + "' trains in another adapter already: disable that adapter before another");
        }
        replaced.install();
    }

    @Override
    public void disable() {
        replaced.putBack();
    }

    /** The copy stands in the model already. */
    @Override
    public void merge(boolean keepTies) {
        FiniteValues.require(parameter().name(), parameter().value().detach());
    }

    @Override
    public void unmerge() {}

    @Override
    public void free() {
        replaced.replacement().close();
    }
}
