package org.finetune4j.peft.tokens;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.AdapterConstruction;
import org.finetune4j.peft.CopyAdapter;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.PeftKeys;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.TokenIndices;
import org.finetune4j.strategy.DeltaKind;
import org.jspecify.annotations.Nullable;

/**
 * Some tokens' rows train, and nothing else: how a model learns words that were added to its vocabulary. The settings have PEFT's names
 * and defaults.
 *
 * @param tokens ids of the tokens, different from each other
 * @param tables names of the tables whose rows they are; none for the token embedding, and a tied output layer with it
 * @param neutral whether rows start as the base has them, else from standard normal values
 */
public record TrainableTokens(List<Integer> tokens, List<String> tables, boolean neutral) implements PeftStrategy {

    static final String PEFT_TYPE = "TRAINABLE_TOKENS";

    private static final String TOKENS = "token_indices";
    private static final String TABLES = "target_modules";
    private static final String INIT = "init_weights";

    /**
     * Keeps copies.
     *
     * @param tokens ids of the tokens, different from each other
     * @param tables names of the tables whose rows they are; none for the token embedding, and a tied output layer with it
     * @param neutral whether rows start as the base has them, else from standard normal values
     * @throws UserErrorException when there are no tokens
     */
    public TrainableTokens {
        tokens = List.copyOf(tokens);
        tables = List.copyOf(tables);
        if (tokens.isEmpty()) {
            throw new UserErrorException("'" + TOKENS + "' is missing: expected the ids of the tokens to train");
        }
    }

    /**
     * {@return the training of these rows of the token embedding}
     *
     * @param tokens ids, different from each other
     */
    public static TrainableTokens of(List<Integer> tokens) {
        return new TrainableTokens(tokens, List.of(), true);
    }

    static TrainableTokens from(Settings settings) {
        PeftKeys.refuseOthers(settings, PEFT_TYPE, List.of(TOKENS, TABLES, INIT));
        Object listed = settings.value(TABLES).orElse(null);
        return new TrainableTokens(
                TokenIndices.ids(settings, TOKENS, settings.value(TOKENS).orElse(List.of())),
                listed == null || listed instanceof List<?> ? settings.texts(TABLES) : List.of(listed.toString()),
                settings.flag(INIT, true));
    }

    @Override
    public String method() {
        return "trainable_tokens";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.SPECIFICATION;
    }

    @Override
    public PeftAdapter attach(CausalLM model, boolean trainable) {
        try (AdapterConstruction construction = AdapterConstruction.on(model)) {
            TokenIndices indices;
            if (tables.isEmpty()) {
                indices = TokenIndices.ofEmbedding(tokens);
            } else {
                Map<String, List<Integer>> byTable = new LinkedHashMap<>();
                tables.forEach(table -> byTable.put(table, tokens));
                indices = new TokenIndices(byTable);
            }
            return construction.complete(
                    CopyAdapter.of(model, indices.alone(model, neutral, trainable), configuration(model)));
        }
    }

    private Map<String, @Nullable Object> configuration(CausalLM model) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("peft_type", PEFT_TYPE);
        json.put(TOKENS, tokens);
        json.put(
                TABLES,
                tables.isEmpty()
                        ? List.of(model.network().nameOf(model.network().inputEmbedding()))
                        : tables);
        json.put(INIT, neutral);
        return json;
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put(TOKENS, tokens);
        shown.put(TABLES, tables.isEmpty() ? "default" : String.join(", ", tables));
        return shown;
    }
}
