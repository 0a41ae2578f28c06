package org.finetune4j.peft.promptlearning;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * What virtual tokens start from. Starting from real tokens trains faster and more surely than from random values (Lester
 * et al. 2021, Li and Liang 2021), so that is the default here; PEFT's is {@link Kind#RANDOM}.
 *
 * @param kind where values come from
 * @param text the text of {@link Kind#TEXT}, or null
 */
public record PromptInitialization(Kind kind, @Nullable String text) {

    /** A good rate for virtual tokens: about ten times what LoRA takes. */
    public static final double LEARNING_RATE = 3e-3;

    private static final String INIT = "prompt_tuning_init";
    private static final String TEXT = "prompt_tuning_init_text";

    /** Sources of values. */
    public enum Kind {
        /** Standard normal values. */
        RANDOM,
        /** The tokens of a text, cut or repeated to the number of virtual tokens. */
        TEXT,
        /** Tokens drawn from the vocabulary. */
        SAMPLE_VOCAB,
        /** Zeros. */
        ZERO
    }

    /**
     * Checks that a text is there where one is needed.
     *
     * @param kind where values come from
     * @param text the text of {@link Kind#TEXT}, or null
     * @throws IllegalArgumentException when it is not, or stands beside another kind
     */
    public PromptInitialization {
        if ((kind == Kind.TEXT) != (text != null)) {
            throw new IllegalArgumentException("a text belongs to " + Kind.TEXT + " and to nothing else");
        }
    }

    /** {@return standard normal values} */
    public static PromptInitialization random() {
        return new PromptInitialization(Kind.RANDOM, null);
    }

    /**
     * {@return the tokens of a text, such as a description of the task}
     *
     * @param text repeated or cut off to the number of virtual tokens
     */
    public static PromptInitialization text(String text) {
        return new PromptInitialization(Kind.TEXT, text);
    }

    /** {@return tokens drawn from the vocabulary} */
    public static PromptInitialization vocabulary() {
        return new PromptInitialization(Kind.SAMPLE_VOCAB, null);
    }

    /** {@return zeros} */
    public static PromptInitialization zero() {
        return new PromptInitialization(Kind.ZERO, null);
    }

    /**
     * {@return the settings' own, else the text where there is one, else {@code fallback}}
     *
     * @param settings under PEFT's keys
     * @param possible kinds that the method has
     * @param fallback the kind where nothing is said
     */
    public static PromptInitialization from(Settings settings, List<Kind> possible, Kind fallback) {
        String text = settings.text(TEXT).orElse(null);
        String name = settings.text(INIT)
                .orElse(text != null ? Kind.TEXT.name() : fallback.name())
                .toUpperCase(Locale.ROOT);
        Kind kind = possible.stream()
                .filter(candidate -> candidate.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new UserErrorException(settings.origin() + ": '" + INIT + "' is " + name
                        + Suggestions.didYouMean(
                                name, possible.stream().map(Kind::name).toList())));
        if (kind == Kind.TEXT && (text == null || text.isBlank())) {
            throw new UserErrorException(
                    settings.origin() + ": '" + TEXT + "' is missing: " + INIT + " TEXT starts from a text");
        }
        if (kind != Kind.TEXT && text != null) {
            throw settings.invalid(INIT, "TEXT, since there is " + TEXT);
        }
        return new PromptInitialization(kind, text);
    }

    /** {@return the settings' keys that this reads} */
    public static List<String> keys() {
        return List.of(INIT, TEXT);
    }

    /**
     * {@return the ids to start from, of {@link Kind#TEXT} and {@link Kind#SAMPLE_VOCAB}}
     *
     * @param model gives the tokenizer and the vocabulary
     * @param count how many are wanted
     */
    public int[] tokens(CausalLM model, int count) {
        if (kind == Kind.SAMPLE_VOCAB) {
            return sample(model, count);
        }
        if (text == null) {
            throw new IllegalStateException(kind + " starts from no tokens");
        }
        int[] ids = model.tokenizer().encode(text, true);
        if (ids.length == 0) {
            throw new UserErrorException(TEXT + " has no tokens");
        }
        int[] repeated = new int[count];
        Arrays.setAll(repeated, i -> ids[i % ids.length]);
        return repeated;
    }

    private static int[] sample(CausalLM model, int count) {
        // The table can have more rows than there are tokens.
        long rows = model.network().inputEmbedding().count();
        long vocabulary =
                model.hasTokenizer() ? Math.min(rows, model.tokenizer().vocabSize()) : rows;
        double[] draws = Tensors.zeros(DType.FLOAT64, model.device(), count)
                .uniformInPlace(0, (double) vocabulary)
                .toDoubleArray();
        return Arrays.stream(draws)
                .mapToInt(draw -> (int) Math.min(draw, vocabulary - 1.0))
                .toArray();
    }
}
