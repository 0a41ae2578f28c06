package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Module;

/**
 * PEFT's {@code modules_to_save}: modules that train as a whole, in copies. A name means every module whose path ends with its
 * letters, in the middle of a word too: {@code norm} means {@code model.norm} and every {@code input_layernorm}.
 *
 * <p>A classifier's head is new or made for other labels, so that PEFT always trains it as a whole, whatever is adapted.
 *
 * @param names the setting
 * @param stored whether it is that of a stored adapter, which says all that it has
 */
public record SavedModules(List<String> names, boolean stored) {

    static final String KEY = "modules_to_save";

    /** PEFT names both for a classifier of any architecture, which has one of them. */
    private static final List<String> PEFT_HEADS = List.of("classifier", "score");

    /**
     * Keeps a copy of the list.
     *
     * @param names the setting
     * @param stored whether it is that of a stored adapter, which says all that it has
     * @throws UserErrorException for an empty name, which would mean every module
     */
    public SavedModules {
        names = List.copyOf(names);
        if (names.contains("")) {
            throw new UserErrorException(KEY + ": a name is empty, expected such as lm_head");
        }
    }

    /**
     * The names that hold for a model: of a classifier, its head too, and what is new below it. That is random, and no other
     * file would have it.
     *
     * @param model whose modules are meant
     * @return the same, or more
     */
    SavedModules on(CausalLM model) {
        if (stored || !model.config().isSequenceClassifier()) {
            return this;
        }
        Set<String> all = new LinkedHashSet<>(names);
        all.addAll(PEFT_HEADS);
        SavedModules heads = new SavedModules(List.copyOf(all), false);
        model.newModules().stream().filter(path -> !heads.hold(path)).sorted().forEach(all::add);
        return new SavedModules(List.copyOf(all), false);
    }

    /**
     * Copies of a classifier's head, for methods that adapt no modules.
     *
     * @param model any model
     * @param prefix what the method's file puts before a parameter's name in the model
     * @param trainable whether they train
     * @return copies of all parameters of the head; empty where the model is no classifier of sequences
     */
    public static List<TrainedCopy> ofHead(CausalLM model, String prefix, boolean trainable) {
        SavedModules head = new SavedModules(List.of(), false).on(model);
        return head.names.isEmpty() ? List.of() : head.copies(model, List.of(), prefix, trainable);
    }

    /**
     * {@return the key where its value may be that of {@link #ofHead}, else nothing}
     *
     * @param settings under PEFT's keys
     */
    public static List<String> keysOfHead(Settings settings) {
        List<String> written = settings.texts(KEY);
        return PEFT_HEADS.containsAll(written) || written.containsAll(PEFT_HEADS) ? List.of(KEY) : List.of();
    }

    /**
     * {@return the setting of {@link #ofHead}, with its key; empty where there is no head}
     *
     * @param model any model
     */
    public static Map<String, Object> headSetting(CausalLM model) {
        SavedModules head = new SavedModules(List.of(), false).on(model);
        return head.names.isEmpty() ? Map.of() : Map.of(KEY, head.names);
    }

    /**
     * Whether a method must leave the module at this path alone: a part of the path is one of the names, or ends with that of
     * a head, which nobody wrote down ({@code pre_classifier} of DistilBERT).
     *
     * @param path the module's path in the model
     * @return whether it trains as a whole, or lies in a module that does
     */
    boolean hold(String path) {
        String parts = "." + path + ".";
        return names.stream().anyMatch(name -> parts.contains((PEFT_HEADS.contains(name) ? "" : ".") + name + "."));
    }

    /** The modules that train as a whole, without those that lie in others. */
    private Map<String, Module> in(Map<String, Module> modules) {
        Map<String, Module> saved = new LinkedHashMap<>();
        modules.forEach((path, module) -> {
            boolean inside = saved.keySet().stream().anyMatch(outer -> path.startsWith(outer + "."));
            if (!inside && names.stream().anyMatch(path::endsWith)) {
                saved.put(path, module);
            }
        });
        return saved;
    }

    /**
     * The copies, under the keys that PEFT has them under.
     *
     * @param model whose modules they are
     * @param adapted paths of the modules that the method adapts
     * @param trainable whether they train
     * @return copies of all parameters of the modules
     * @throws UserErrorException when a name matches nothing, with the nearest name, or means an adapted module
     */
    List<TrainedCopy> copies(CausalLM model, Collection<String> adapted, boolean trainable) {
        return copies(model, adapted, AdapterWeights.PREFIX, trainable);
    }

    private List<TrainedCopy> copies(CausalLM model, Collection<String> adapted, String prefix, boolean trainable) {
        Map<String, Module> modules = model.network().namedModules();
        boolean heads = names.containsAll(PEFT_HEADS);
        for (String name : names) {
            if (!(heads && PEFT_HEADS.contains(name))
                    && modules.keySet().stream().noneMatch(path -> path.endsWith(name))) {
                throw new UserErrorException(KEY + ": '" + name + "' matches no module of this model"
                        + Suggestions.didYouMean(name, modules.keySet()));
            }
        }
        List<TrainedCopy> copies = new ArrayList<>();
        in(modules).forEach((path, module) -> {
            adapted.stream()
                    .filter(other -> other.equals(path) || other.startsWith(path + "."))
                    .findFirst()
                    .ifPresent(other -> {
                        throw new UserErrorException(KEY + ": a name means every module that ends so, '" + path
                                + "' too, and '" + other + "' is adapted already: write more of the path, or leave it"
                                + " out of target_modules");
                    });
            // A whole block may be named: PEFT keeps all of its parameters.
            module.namedParameters().forEach((name, parameter) -> {
                String inner = name.contains(".") ? path + "." + name.substring(0, name.lastIndexOf('.')) : path;
                Module owner = inner.equals(path) ? module : modules.get(inner);
                String leaf = name.substring(name.lastIndexOf('.') + 1);
                copies.add(TrainedCopy.of(
                        prefix + path + "." + name,
                        inner,
                        Objects.requireNonNull(owner),
                        leaf,
                        AdapterDType.of(model),
                        trainable));
            });
        });
        return copies;
    }

    /**
     * {@link #copies}, but for an embedding that the output layer shares: where one of them is named, both train as one.
     *
     * @param model whose modules they are
     * @param adapted paths of the modules that the method adapts
     * @param trainable whether they train
     * @return copies of all parameters of the modules
     * @throws UserErrorException as {@link #copies}
     */
    List<TrainedCopy> tiedCopies(CausalLM model, Collection<String> adapted, boolean trainable) {
        DecoderModel network = model.network();
        String embedding = network.nameOf(network.inputEmbedding());
        String output = network.nameOf(network.outputLayer());
        boolean means = names.stream().anyMatch(name -> name.matches("(.*\\.)?(embed_tokens|lm_head)"));
        if (!network.isTied() || !means) {
            return copies(model, adapted, trainable);
        }
        List<String> others = names.stream()
                .filter(name -> !("." + output + ".").contains("." + name + "."))
                .filter(name -> !embedding.endsWith(name))
                .toList();
        List<TrainedCopy> copies = new ArrayList<>(new SavedModules(others, stored).copies(model, adapted, trainable));
        copies.add(TrainedCopy.shared(
                List.of(AdapterWeights.PREFIX + embedding + ".weight", AdapterWeights.PREFIX + output + ".weight"),
                network,
                embedding + ".weight",
                network.inputEmbedding().weight(),
                AdapterDType.of(model),
                trainable));
        return copies;
    }
}
