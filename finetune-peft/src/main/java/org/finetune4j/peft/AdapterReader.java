package org.finetune4j.peft;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
import org.finetune4j.OutputPath;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelComparison;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.jspecify.annotations.Nullable;

/**
 * Puts a stored adapter onto a model: first what it changes in the base itself (rows for its tokens, weights that it brings
 * along), then what the method adds, then the values.
 */
public final class AdapterReader {

    private final CausalLM model;
    private final AdapterFiles files;
    private final Path directory;
    private final AdapterDirectory text;
    private final List<ReplacedWeights> base = new ArrayList<>();

    private AdapterReader(CausalLM model, AdapterFiles files) {
        this.model = model;
        this.files = files;
        this.directory = files.directory();
        this.text = AdapterDirectory.open(directory, model.directory());
    }

    /**
     * Reads an adapter.
     *
     * @param model it goes onto
     * @param files it is stored in
     * @param method attaches a new adapter with the stored settings
     * @return the adapter, enabled
     * @throws UserErrorException when a file is missing or broken, or does not fit the model; then nothing is changed
     */
    public static PeftAdapter read(CausalLM model, AdapterFiles files, Supplier<? extends PeftAdapter> method) {
        return new AdapterReader(model, files).read(method);
    }

    /**
     * Reads an adapter that lies beside others and is not enabled.
     *
     * @param <A> its kind
     * @param model it is for, of which nothing is changed
     * @param files it is stored in
     * @param method makes a new adapter with the stored settings, not enabled
     * @return the adapter
     * @throws UserErrorException when a file is missing or broken, does not fit the model, or the adapter brings tokens of its
     *     own
     */
    public static <A extends PeftAdapter> A aside(CausalLM model, AdapterFiles files, Function<Settings, A> method) {
        Path directory = files.directory();
        AdapterWeights.refusePickled(directory);
        AdapterReader reader = new AdapterReader(model, files);
        try (AdapterDirectory words = reader.text) {
            reader.checkNamedBase();
            words.tokenizer()
                    .filter(own -> model.hasTokenizer())
                    .flatMap(own -> own.differenceFrom(model.tokenizer()))
                    .ifPresent(difference -> {
                        throw new UserErrorException(
                                directory + ": the adapter brings a tokenizer of its own, which rows of"
                                        + " one batch cannot: " + difference);
                    });
            A adapter = method.apply(files.settings());
            try {
                adapter.load(files);
                return adapter;
            } catch (RuntimeException e) {
                adapter.close();
                throw e;
            }
        }
    }

    private PeftAdapter read(Supplier<? extends PeftAdapter> method) {
        SafetensorsFile file = files.weights();
        PeftAdapter adapter;
        try {
            checkNamedBase();
            ReplacedWeights rows = VocabularyRows.of(model, text, file);
            use(rows);
            adapter = method.get();
            if (file != null
                    && hasWeightsOfTheBase(file, adapter.parametersByKey().keySet())) {
                // What the method makes of the base must be made of the right one.
                Set<String> own = Set.copyOf(adapter.parametersByKey().keySet());
                adapter.close();
                use(StoredBase.of(model.network(), file, own));
                adapter = method.get();
            }
        } catch (RuntimeException e) {
            text.close();
            for (int i = base.size() - 1; i >= 0; i--) {
                base.get(i).disable();
                base.get(i).free();
            }
            throw e;
        }
        adapter.standOn(base, text);
        try {
            adapter.load(files);
            return adapter;
        } catch (RuntimeException e) {
            adapter.close();
            throw e;
        }
    }

    /**
     * Compares the model with the base that the adapter names, where that one is on this machine: an adapter of a model that
     * calculates differently would be of no use, and nothing in its own file tells.
     */
    private void checkNamedBase() {
        String named = files.settings().text("base_model_name_or_path").orElse("");
        Path own = model.directory();
        Path path = absolute(named);
        if (own == null
                || path == null
                || !Files.isRegularFile(path.resolve(ModelConfig.FILE))
                || OutputPath.isSame(path, own)) {
            return;
        }
        Set<String> free = VocabularyRows.mayDiffer(model, text, files.weights()) ? Set.of("vocab_size") : Set.of();
        ModelComparison.difference(ModelConfig.load(path), ModelConfig.load(own), free)
                .ifPresent(difference -> {
                    throw new UserErrorException(directory + ": the adapter was made for " + named + "; " + difference);
                });
    }

    /** The path that a text is, or null where it is none or a relative one. */
    private static @Nullable Path absolute(String text) {
        try {
            Path path = Path.of(text);
            return path.isAbsolute() ? path : null;
        } catch (InvalidPathException e) {
            return null;
        }
    }

    private void use(@Nullable ReplacedWeights weights) {
        if (weights != null) {
            base.add(weights);
            weights.enable();
        }
    }

    private boolean hasWeightsOfTheBase(SafetensorsFile stored, Set<String> own) {
        BaseKeys keys = new BaseKeys(model.network());
        return stored.names().stream().anyMatch(key -> !own.contains(key) && keys.find(key) != null);
    }
}
