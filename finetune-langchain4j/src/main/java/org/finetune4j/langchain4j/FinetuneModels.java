package org.finetune4j.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationEngine;
import org.finetune4j.generate.GenerationLimits;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.PooledAdapter;
import org.finetune4j.strategy.RowAdapterPool;
import org.jspecify.annotations.Nullable;

/**
 * A model of this process and its adapters as LangChain4j's chat models. Whatever threads ask, all answers are computed in one
 * batch, each with the adapter that its request's {@code modelName} says.
 *
 * <pre>{@code
 * try (CausalLM model = CausalLM.load(Path.of("models/SmolLM2-135M"));
 *         FinetuneModels models = FinetuneModels.builder(model).adapter("legal", Path.of("adapters/legal")).build()) {
 *     ChatModel legal = models.chatModel("legal");
 *     System.out.println(legal.chat("What is a lease?"));
 * }
 * }</pre>
 */
public final class FinetuneModels implements AutoCloseable {

    private final CausalLM model;
    private final String name;
    private final @Nullable GenerationOptions options;
    private final @Nullable Long seed;
    private final EngineThread engine;
    private final Map<String, Named> adapters = new LinkedHashMap<>();
    private @Nullable RowAdapterPool pool;

    /** An adapter with the form of conversation that it was trained in. */
    record Named(PooledAdapter adapter, @Nullable ChatTemplate template) {}

    private FinetuneModels(Builder builder) {
        this.model = builder.model;
        this.name = builder.modelName();
        this.options = builder.options;
        this.seed = builder.seed;
        try {
            builder.adapters.forEach(this::load);
            this.engine = new EngineThread(GenerationEngine.of(model, builder.limits));
        } catch (RuntimeException e) {
            closeAdapters();
            throw e;
        }
    }

    private void load(String adapterName, Path directory) {
        if (adapterName.equals(name)) {
            throw new UserErrorException("an adapter cannot be called '" + name + "': that is the base model's name");
        }
        AdapterFormat format = AdapterFormat.of(directory);
        if (pool == null) {
            pool = format.pool(model);
        }
        PooledAdapter adapter = pool.load(directory);
        try (AdapterDirectory words = AdapterDirectory.open(directory, model.directory())) {
            adapters.put(adapterName, new Named(adapter, words.chatTemplate().orElse(null)));
        } catch (RuntimeException e) {
            adapter.close();
            throw e;
        }
    }

    /**
     * Chat models of a model.
     *
     * @param model with a tokenizer and without an adapter; stays the caller's
     * @return a builder
     */
    public static Builder builder(CausalLM model) {
        return new Builder(Objects.requireNonNull(model, "model"));
    }

    /** {@return what answers with the base model, unless a request names an adapter} */
    public ChatModel chatModel() {
        return chatModel(name);
    }

    /**
     * A chat model.
     *
     * @param defaultName the adapter that answers requests which name none, or the base's name
     * @return the model, which works until this is closed
     * @throws UserErrorException when there is none of that name, with the nearest one
     */
    public ChatModel chatModel(String defaultName) {
        requireKnown(defaultName);
        return new FinetuneChatModel(new Answerer(this, defaultName));
    }

    /** {@return what answers with the base model in pieces, unless a request names an adapter} */
    public StreamingChatModel streamingChatModel() {
        return streamingChatModel(name);
    }

    /**
     * A chat model that answers in pieces; handlers are called on a thread of the request's own.
     *
     * @param defaultName the adapter that answers requests which name none, or the base's name
     * @return the model, which works until this is closed
     * @throws UserErrorException when there is none of that name, with the nearest one
     */
    public StreamingChatModel streamingChatModel(String defaultName) {
        requireKnown(defaultName);
        return new FinetuneStreamingChatModel(new Answerer(this, defaultName));
    }

    /** {@return the names that requests may say: the base's, then the adapters'} */
    public List<String> names() {
        List<String> names = new ArrayList<>();
        names.add(name);
        names.addAll(adapters.keySet());
        return names;
    }

    private void requireKnown(String asked) {
        if (!names().contains(asked)) {
            throw new UserErrorException("there is no model '" + asked + "'" + Suggestions.didYouMean(asked, names()));
        }
    }

    /** The adapter of a name, or null for the base. */
    @Nullable
    Named named(String asked) {
        requireKnown(asked);
        return adapters.get(asked);
    }

    CausalLM model() {
        return model;
    }

    /** What the application has said about answers; null where it has said nothing. */
    @Nullable
    GenerationOptions options() {
        return options;
    }

    /** What decides the draws of every request; null for others each time. */
    @Nullable
    Long seed() {
        return seed;
    }

    EngineThread engine() {
        return engine;
    }

    private void closeAdapters() {
        adapters.values().forEach(named -> named.adapter.close());
        adapters.clear();
        if (pool != null) {
            pool.close();
        }
    }

    /** Cancels what is under way, and frees the adapters. The model stays open. Closing twice is fine. */
    @Override
    public void close() {
        engine.close();
        closeAdapters();
        pool = null;
    }

    /** Collects what chat models need. */
    public static final class Builder {

        private final CausalLM model;
        private final Map<String, Path> adapters = new LinkedHashMap<>();
        private @Nullable GenerationOptions options;
        private GenerationLimits limits = GenerationLimits.defaults();
        private @Nullable String name;
        private @Nullable Long seed;

        private Builder(CausalLM model) {
            this.model = model;
        }

        /**
         * Names the base model.
         *
         * @param value what requests call it; the name of its directory unless set
         * @return this builder
         */
        public Builder name(String value) {
            name = Objects.requireNonNull(value, "name");
            return this;
        }

        /**
         * Offers an adapter.
         *
         * @param adapterName what requests call it
         * @param directory with its files in PEFT's format, which stay as they are until this is closed
         * @return this builder
         */
        public Builder adapter(String adapterName, Path directory) {
            adapters.put(
                    Objects.requireNonNull(adapterName, "adapterName"), Objects.requireNonNull(directory, "directory"));
            return this;
        }

        /**
         * Offers every adapter that lies in a folder under the name of its directory.
         *
         * @param folder whose directories have an {@code adapter_config.json}
         * @return this builder
         * @throws UserErrorException when the folder cannot be read
         */
        public Builder adapters(Path folder) {
            for (Path directory : AdapterFolders.in(folder)) {
                adapter(String.valueOf(directory.getFileName()), directory);
            }
            return this;
        }

        /**
         * Sets how to answer what requests say nothing of.
         *
         * @param value sampling settings, and what ends an answer besides the template's end; how long one may be is said by requests, or
         *     by the room that the context has
         * @return this builder
         */
        public Builder options(GenerationOptions value) {
            options = Objects.requireNonNull(value, "options");
            return this;
        }

        /**
         * Lets every request draw the same; unless set, each draws others.
         *
         * @param value the seed
         * @return this builder
         */
        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /**
         * Sets what answers may use.
         *
         * @param value the limits
         * @return this builder
         */
        public Builder limits(GenerationLimits value) {
            limits = Objects.requireNonNull(value, "limits");
            return this;
        }

        private String modelName() {
            return name == null ? model.shortName() : name;
        }

        /**
         * Reads the adapters.
         *
         * @return the models, which the caller closes before the model
         * @throws UserErrorException when an adapter cannot be used by some rows of a batch only, or cannot be read
         */
        public FinetuneModels build() {
            return new FinetuneModels(this);
        }
    }
}
