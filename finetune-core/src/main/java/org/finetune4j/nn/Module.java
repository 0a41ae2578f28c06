package org.finetune4j.nn;

import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;

/**
 * A part of a model: parameters and smaller parts, each with a name. The names from the root down, joined by dots, are
 * the names that Hugging Face gives the same parts, so checkpoints, target modules and messages all speak of the same
 * thing.
 */
public abstract class Module implements AutoCloseable {

    private final Map<String, Module> children = new LinkedHashMap<>();
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();

    /**
     * Registers a part and returns it.
     *
     * @param <M> its kind
     * @param name its short name
     * @param module to be registered
     * @return the part
     */
    protected final <M extends Module> M child(String name, M module) {
        children.put(name, module);
        return module;
    }

    /**
     * Registers a parameter of this module itself and returns it.
     *
     * @param name its short name
     * @param parameter to be registered
     * @return the parameter
     */
    protected final Parameter parameter(String name, Parameter parameter) {
        parameters.put(name, parameter);
        return parameter;
    }

    /**
     * Puts another parameter of the same shape in the place of one of this module's own. The old one is not closed: it
     * belongs to whoever called, or to the modules that still share it.
     *
     * @param name the short name, such as {@code weight}
     * @param replacement of the same shape
     */
    public final void replaceParameter(String name, Parameter replacement) {
        if (!parameters.containsKey(name)) {
            throw new IllegalArgumentException("no parameter '" + name + "' here, there are " + parameters.keySet());
        }
        parameters.put(name, replacement);
    }

    /**
     * {@return this module's own parameter of this short name}
     *
     * @param name its short name
     */
    protected final Parameter own(String name) {
        Parameter parameter = parameters.get(name);
        if (parameter == null) {
            throw new IllegalStateException("no parameter '" + name + "' here, there are " + parameters.keySet());
        }
        return parameter;
    }

    /**
     * Which of this module's own layers get the same input, as those of queries, keys and values: they may be stored and multiplied
     * as one.
     *
     * @return groups of layers, none of which is in two of them
     */
    protected List<List<Linear>> appliedTogether() {
        return List.of();
    }

    /**
     * Which features of its own parts several processes can have some of each. A layer whose linear layers are not all here, or in
     * its parts' own answers, cannot be divided.
     *
     * @return by the names below this module of parts, or of parameters of its own; empty unless the module's kind says otherwise
     */
    public Map<String, DividedFeatures> dividedFeatures() {
        return Map.of();
    }

    /** {@return the parts that this module itself registered, by the names it gave them} */
    protected final Map<String, Module> children() {
        return Collections.unmodifiableMap(children);
    }

    /** {@return all parts at any depth, by their path from this module; this module itself is not among them} */
    public final Map<String, Module> namedModules() {
        Map<String, Module> modules = new LinkedHashMap<>();
        visit("", (path, module) -> {
            if (!path.isEmpty()) {
                modules.put(path, module);
            }
        });
        return modules;
    }

    /**
     * {@return the path of a part from this module}
     *
     * @param part of this module
     */
    public final String nameOf(Module part) {
        return namedModules().entrySet().stream()
                .filter(entry -> entry.getValue() == part)
                .map(Map.Entry::getKey)
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(part + " is no part of this module"));
    }

    /** {@return the parameters of this module itself by their short names, without those of its parts} */
    public final Map<String, Parameter> ownParameters() {
        return Collections.unmodifiableMap(parameters);
    }

    /**
     * {@return all parameters at any depth by their path from this module; a shared one appears under its first path only}
     */
    public final Map<String, Parameter> namedParameters() {
        Map<String, Parameter> all = new LinkedHashMap<>();
        Set<Parameter> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        visit(
                "",
                (path, module) -> module.parameters.forEach((name, parameter) -> {
                    if (seen.add(parameter)) {
                        all.put(join(path, name), parameter);
                    }
                }));
        return all;
    }

    /** {@return all parameters at any depth, each once} */
    public final Collection<Parameter> allParameters() {
        return namedParameters().values();
    }

    /** {@return whether training changes anything in this module: a parameter, or what a method added to it} */
    public final boolean isTrainable() {
        boolean[] trainable = {false};
        visit("", (path, module) -> trainable[0] |= module.hasOwnTrainable());
        return trainable[0];
    }

    private boolean hasOwnTrainable() {
        return parameters.values().stream().anyMatch(Parameter::isTrainable)
                || addedParameters().stream().anyMatch(Parameter::isTrainable);
    }

    /** {@return what trains in this module, its parts and what methods added to them, each once and in one order} */
    public final Collection<Parameter> trainableParameters() {
        Set<Parameter> all = Collections.newSetFromMap(new LinkedHashMap<>());
        visit("", (path, module) -> {
            all.addAll(module.parameters.values());
            all.addAll(module.addedParameters());
        });
        all.removeIf(parameter -> !parameter.isTrainable());
        return all;
    }

    /** {@return the parameters that a method added to this module itself} */
    protected Collection<Parameter> addedParameters() {
        return List.of();
    }

    private void visit(String path, BiConsumer<String, Module> visitor) {
        visitor.accept(path, this);
        children.forEach((name, module) -> module.visit(join(path, name), visitor));
    }

    private static String join(String path, String name) {
        return path.isEmpty() ? name : path + "." + name;
    }

    /** Frees every parameter. */
    @Override
    public void close() {
        allParameters().forEach(Parameter::close);
    }
}
