package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.Module;
import org.finetune4j.regex.RegularExpression;

/** Which modules of a model a method works on, with PEFT's rules. */
public sealed interface TargetModules {

    /** PEFT's word for {@link AllLinear}. */
    String ALL_LINEAR = "all-linear";

    /**
     * Whether the module at a path is meant.
     *
     * @param path the module's path in the model
     * @return whether it is a target
     */
    boolean matches(String path);

    /**
     * The targets as a user writes them.
     *
     * @return for messages and reports
     */
    String describe();

    /** Every linear layer but the output layer. */
    record AllLinear() implements TargetModules {
        /** Only linear layers other than the output layer are asked about. */
        @Override
        public boolean matches(String path) {
            return true;
        }

        @Override
        public String describe() {
            return ALL_LINEAR;
        }
    }

    /**
     * Modules whose path is one of these names, or ends with a dot and one of them.
     *
     * @param names of modules, or ends of their paths
     */
    record Names(List<String> names) implements TargetModules {
        /**
         * Keeps a copy of the list.
         *
         * @param names of modules, or ends of their paths
         */
        public Names {
            names = List.copyOf(names);
        }

        @Override
        public String describe() {
            return String.join(", ", names);
        }

        @Override
        public boolean matches(String path) {
            return names.stream().anyMatch(name -> endsWith(path, name));
        }
    }

    /**
     * Modules whose whole path matches a regular expression.
     *
     * @param pattern the expression, in Python's syntax
     */
    record Regex(String pattern) implements TargetModules {
        /**
         * Reads the expression, which may be none.
         *
         * @param pattern the expression, in Python's syntax
         */
        public Regex {
            RegularExpression.compile("target_modules", pattern);
        }

        @Override
        public String describe() {
            return pattern;
        }

        @Override
        public boolean matches(String path) {
            return RegularExpression.compile("target_modules", pattern).fullMatch(path);
        }
    }

    /**
     * One text is {@code all-linear} or a regular expression, several are names.
     *
     * @param targets what a user said
     * @return the targets
     * @throws UserErrorException when the expression is not one
     */
    static TargetModules of(String... targets) {
        if (targets.length == 1 && targets[0].equalsIgnoreCase(ALL_LINEAR)) {
            return new AllLinear();
        }
        boolean isName = targets.length != 1 || targets[0].matches("[\\w.]+");
        return isName ? new Names(List.of(targets)) : new Regex(targets[0]);
    }

    /**
     * {@return whether {@code path} is {@code name}, or ends with a dot and it}
     *
     * @param path with dots
     * @param name a name, or the end of a path
     */
    static boolean endsWith(String path, String name) {
        return path.equals(name) || path.endsWith("." + name);
    }

    /**
     * The modules of a model that are meant, by path.
     *
     * @param model where they are looked for
     * @param setting the name of the setting, for messages
     * @param kinds what can be a target
     * @return the modules, in the order of the model
     * @throws UserErrorException when nothing matches, a name in a list matches nothing, or something of another kind is
     *     meant
     */
    default Map<String, Module> modules(CausalLM model, String setting, List<Class<? extends Module>> kinds) {
        Map<String, Module> found = new LinkedHashMap<>();
        List<String> others = new ArrayList<>();
        Map<String, Module> modules = model.network().namedModules();
        modules.forEach((path, module) -> {
            boolean output = module == model.network().outputLayer();
            if (matches(path) && !(output && this instanceof AllLinear)) {
                if (kinds.stream().anyMatch(kind -> kind.isInstance(module))) {
                    found.put(path, module);
                } else if (!(this instanceof AllLinear)) {
                    others.add("'" + path + "' is a " + module.getClass().getSimpleName());
                }
            }
        });
        if (this instanceof Names list) {
            list.names().forEach(name -> checkMatchesSomething(setting, name, modules, kinds));
        }
        if (!others.isEmpty()) {
            throw new UserErrorException(setting + ": " + others.get(0) + ", a target must be a " + names(kinds));
        }
        if (found.isEmpty()) {
            Set<String> names = leafNames(modules, kinds);
            names.add(ALL_LINEAR);
            throw new UserErrorException(
                    setting + ": '" + describe() + "' matches no module" + Suggestions.among(describe(), names));
        }
        return found;
    }

    private static String names(List<Class<? extends Module>> kinds) {
        return kinds.stream().map(Class::getSimpleName).collect(Collectors.joining(" or "));
    }

    private static void checkMatchesSomething(
            String setting, String name, Map<String, Module> modules, List<Class<? extends Module>> kinds) {
        if (modules.keySet().stream().noneMatch(path -> endsWith(path, name))) {
            expertNames(modules, kinds).ifPresent(names -> {
                if (name.matches("routers?|experts?")) {
                    throw new UserErrorException(
                            setting + ": '" + name + "' matches no module of this model: " + names);
                }
            });
            Set<String> leaves = leafNames(modules, kinds);
            leaves.add(ALL_LINEAR);
            throw new UserErrorException(
                    setting + ": '" + name + "' matches no module of this model" + Suggestions.among(name, leaves));
        }
    }

    /** What the layers of a mixture of experts are called in a model that has one. */
    private static Optional<String> expertNames(Map<String, Module> modules, List<Class<? extends Module>> kinds) {
        return modules.entrySet().stream()
                .filter(entry -> entry.getValue() instanceof MixtureOfExperts)
                .findFirst()
                .map(block -> {
                    Map<String, Module> within = new LinkedHashMap<>();
                    modules.forEach((path, module) -> {
                        if (path.startsWith(block.getKey() + ".experts.0.")) {
                            within.put(path, module);
                        }
                    });
                    String router = ((MixtureOfExperts) block.getValue()).routerName();
                    return "the router is called " + router + ", the layers of experts "
                            + String.join(", ", leafNames(within, kinds));
                });
    }

    private static Set<String> leafNames(Map<String, Module> modules, List<Class<? extends Module>> kinds) {
        Map<String, Module> possible = new LinkedHashMap<>(modules);
        possible.values().removeIf(module -> kinds.stream().noneMatch(kind -> kind.isInstance(module)));
        return leafNames(possible);
    }

    /**
     * {@return the last words of the modules' paths, each once, which is how targets are usually named}
     *
     * @param modules by path
     */
    static Set<String> leafNames(Map<String, Module> modules) {
        return modules.keySet().stream()
                .map(path -> path.substring(path.lastIndexOf('.') + 1))
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }
}
