package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/** Another parameter in the place of one of a model's, in the modules that are to see it, until it is put back. */
final class ReplacedParameter {

    private record Site(Module module, String name) {}

    private final List<Site> sites;
    private final Parameter original;
    private final Parameter replacement;

    private ReplacedParameter(List<Site> sites, Parameter original, Parameter replacement) {
        this.sites = sites;
        this.original = original;
        this.replacement = replacement;
    }

    /** Prepares a replacement in one module only: where the parameter was shared it will be shared no longer. */
    static ReplacedParameter in(Module module, String name, Parameter replacement) {
        Parameter original = Objects.requireNonNull(module.ownParameters().get(name), name);
        return new ReplacedParameter(List.of(new Site(module, name)), original, replacement);
    }

    /** Prepares a replacement in every module of a model that shares the parameter. */
    static ReplacedParameter everywhere(Module model, Parameter original, Parameter replacement) {
        List<Site> sites = new ArrayList<>();
        model.namedModules().values().forEach(module -> module.ownParameters().forEach((name, parameter) -> {
            if (parameter == original) {
                sites.add(new Site(module, name));
            }
        }));
        return new ReplacedParameter(sites, original, replacement);
    }

    /**
     * Prepares what a module's weight becomes when a method is folded in.
     *
     * @param model whose other modules may share the weight
     * @param module that the method is on
     * @param weight the module's
     * @param change of the weight in float32 or float64
     * @param everywhere whether all modules that share the weight are to see the change
     * @throws org.finetune4j.UserErrorException when the result has values that are no numbers in the weight's type
     */
    static ReplacedParameter changed(
            Module model, Module module, Parameter weight, UnaryOperator<Tensor> change, boolean everywhere) {
        Parameter merged =
                new Parameter(weight.name(), weight.form().changed(change, FiniteValues.narrowing(weight.name())));
        return everywhere ? everywhere(model, weight, merged) : in(module, "weight", merged);
    }

    Parameter original() {
        return original;
    }

    Parameter replacement() {
        return replacement;
    }

    /** Whether the original stands where the replacement is to go. */
    boolean isFree() {
        return sites.stream().allMatch(site -> site.module.ownParameters().get(site.name) == original);
    }

    void install() {
        sites.forEach(site -> site.module.replaceParameter(site.name, replacement));
    }

    void putBack() {
        sites.forEach(site -> site.module.replaceParameter(site.name, original));
    }

    /** Puts the original back for good: the replacement is freed. */
    void undo() {
        putBack();
        replacement.close();
    }
}
