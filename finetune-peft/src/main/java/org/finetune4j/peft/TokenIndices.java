package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Module;
import org.jspecify.annotations.Nullable;

/**
 * PEFT's {@code trainable_token_indices}: tokens whose rows train beside a method, while the rest of the embedding stays. It
 * is how new tokens are learned without keeping a whole table in the adapter.
 *
 * @param byModule ids by the name of a module; an empty name stands for the token embedding
 */
public record TokenIndices(Map<String, List<Integer>> byModule) {

    /** The setting's name. */
    public static final String KEY = "trainable_token_indices";

    private static final String EMBEDDING = "";

    /**
     * Keeps a copy.
     *
     * @param byModule ids by the name of a module; an empty name stands for the token embedding
     */
    public TokenIndices {
        Map<String, List<Integer>> copy = new LinkedHashMap<>();
        byModule.forEach((name, ids) -> copy.put(name, List.copyOf(ids)));
        byModule = Collections.unmodifiableMap(copy);
    }

    /**
     * No tokens.
     *
     * @return indices that train nothing
     */
    public static TokenIndices none() {
        return new TokenIndices(Map.of());
    }

    /**
     * Tokens of the embedding.
     *
     * @param ids of the tokens
     * @return their indices
     */
    public static TokenIndices ofEmbedding(List<Integer> ids) {
        return ids.isEmpty() ? none() : new TokenIndices(Map.of(EMBEDDING, ids));
    }

    /**
     * Reads PEFT's key: a list of ids, or lists by module.
     *
     * @param settings a user's or an adapter's
     * @return what it says
     * @throws UserErrorException when it is something else
     */
    public static TokenIndices from(Settings settings) {
        Object value = settings.value(KEY).orElse(List.of());
        if (!(value instanceof Map<?, ?> map)) {
            return ofEmbedding(ids(settings, value));
        }
        Map<String, List<Integer>> byModule = new LinkedHashMap<>();
        map.forEach((name, ids) -> byModule.put(String.valueOf(name), ids(settings, ids)));
        if (byModule.containsKey(EMBEDDING)) {
            throw settings.invalid(KEY, "names of modules, such as {embed_tokens: [5, 6]}");
        }
        return new TokenIndices(byModule);
    }

    private static List<Integer> ids(Settings settings, @Nullable Object value) {
        return ids(settings, KEY, value);
    }

    /**
     * Ids of tokens.
     *
     * @param settings a user's or an adapter's
     * @param key whose value it is, for messages
     * @param value a list
     * @return the ids
     * @throws UserErrorException when it is something else
     */
    public static List<Integer> ids(Settings settings, String key, @Nullable Object value) {
        List<Integer> ids = new ArrayList<>();
        if (value instanceof List<?> list) {
            for (Object id : list) {
                if (!(id instanceof Integer number) || number < 0 || ids.contains(number)) {
                    throw settings.invalid(key, "different ids of tokens, such as [5, 6]");
                }
                ids.add(number);
            }
            return ids;
        }
        throw settings.invalid(key, "a list of ids of tokens, or lists by module, such as {embed_tokens: [5, 6]}");
    }

    /**
     * Whether no token trains.
     *
     * @return whether there is nothing to do
     */
    public boolean isEmpty() {
        return byModule.isEmpty();
    }

    /**
     * The setting as PEFT writes it.
     *
     * @return a list, lists by module, or null
     */
    public @Nullable Object toJson() {
        return isEmpty()
                ? null
                : byModule.getOrDefault(EMBEDDING, List.of()).isEmpty() ? byModule : byModule.get(EMBEDDING);
    }

    /**
     * The rows that train. Where the output layer shares the embedding's weight, it sees the embedding's rows, unless other
     * rows of its own are named.
     *
     * @param model whose rows they are
     * @param taken paths of the modules that are adapted or train as a whole
     * @param tie whether tied weights must stay tied
     * @param trainable whether they train
     * @return the parts of an adapter
     * @throws UserErrorException when a name means no table of tokens, an id has no row, or ties cannot be kept
     */
    public List<TokenRows> parts(CausalLM model, Collection<String> taken, boolean tie, boolean trainable) {
        return parts(model, taken, tie, false, trainable);
    }

    /**
     * The rows as an adapter of their own, PEFT's {@code TRAINABLE_TOKENS}.
     *
     * @param model whose rows they are
     * @param neutral whether they start as the base has them, else from standard normal values
     * @param trainable whether they train
     * @return the parts of an adapter
     * @throws UserErrorException when a name means no table of tokens or an id has no row
     */
    public List<TokenRows> alone(CausalLM model, boolean neutral, boolean trainable) {
        List<TokenRows> parts = parts(model, List.of(), false, true, trainable);
        if (!neutral) {
            parts.forEach(TokenRows::drawAgain);
        }
        return parts;
    }

    private List<TokenRows> parts(
            CausalLM model, Collection<String> taken, boolean tie, boolean alone, boolean trainable) {
        DecoderModel network = model.network();
        Map<Module, List<Integer>> tables = new LinkedHashMap<>();
        byModule.forEach((name, ids) -> tables.put(table(network, name), ids));
        List<Integer> ofEmbedding = tables.get(network.inputEmbedding());
        List<Integer> ofOutput = tables.get(network.outputLayer());
        boolean tied = network.isTied() && ofEmbedding != null;
        if (tied && ofOutput != null && !ofOutput.equals(ofEmbedding)) {
            if (tie) {
                throw new UserErrorException(
                        KEY + ": the output layer shares the embedding's weight, and ensure_weight_tying"
                                + " needs the same tokens for both: " + ofEmbedding + " and " + ofOutput);
            }
            tied = false;
        }
        List<TokenRows> parts = new ArrayList<>();
        for (Map.Entry<Module, List<Integer>> entry : tables.entrySet()) {
            Module table = entry.getKey();
            String path = network.nameOf(table);
            if (taken.contains(path)) {
                throw new UserErrorException(
                        KEY + ": '" + path + "' is among target_modules or modules_to_save: name it once");
            }
            if (!(tied && table == network.outputLayer())) {
                parts.add(new TokenRows(
                        model,
                        path,
                        table,
                        entry.getValue(),
                        tied && table == network.inputEmbedding(),
                        alone,
                        trainable));
            }
        }
        return parts;
    }

    private static Module table(DecoderModel network, String name) {
        if (name.equals(EMBEDDING) || network.nameOf(network.inputEmbedding()).endsWith(name)) {
            return network.inputEmbedding();
        }
        if (network.pooling() == null && network.nameOf(network.outputLayer()).endsWith(name)) {
            return network.outputLayer();
        }
        List<String> names = List.of(network.nameOf(network.inputEmbedding()), network.nameOf(network.outputLayer()));
        throw new UserErrorException(KEY + ": '" + name + "' is no table of tokens" + Suggestions.among(name, names));
    }
}
