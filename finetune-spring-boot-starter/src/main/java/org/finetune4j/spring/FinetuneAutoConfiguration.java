package org.finetune4j.spring;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.langchain4j.FinetuneModels;
import org.finetune4j.model.CausalLM;
import org.finetune4j.serve.ModelServer;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;

/**
 * A {@link CausalLM} of {@code finetune4j.model}, LangChain4j's chat models on it, and the service where {@code
 * finetune4j.server.enabled} says so. Each can be replaced by a bean of the application's own.
 */
@AutoConfiguration
@ConditionalOnProperty("finetune4j.model")
@EnableConfigurationProperties(FinetuneProperties.class)
public class FinetuneAutoConfiguration {

    /** Made by Spring. */
    public FinetuneAutoConfiguration() {}

    /**
     * The model.
     *
     * @param properties where it lies
     * @return the model, which Spring closes last
     */
    @Bean
    @ConditionalOnMissingBean
    public CausalLM finetuneModel(FinetuneProperties properties) {
        CausalLM model = CausalLM.load(properties.model());
        model.packForGeneration();
        return model;
    }

    /**
     * The chat models' engine and adapters. Where there is a service, adapters are its own: a model has one set of them.
     *
     * @param model answers
     * @param properties which adapters there are
     * @return the models
     */
    @Bean
    @ConditionalOnMissingBean
    public FinetuneModels finetuneModels(CausalLM model, FinetuneProperties properties) {
        FinetuneModels.Builder builder = FinetuneModels.builder(model);
        if (properties.adapters() != null && !properties.server().enabled()) {
            builder.adapters(properties.adapters());
        }
        FinetuneProperties.Chat chat = properties.chat();
        if (chat.modelName() != null && properties.server().enabled()) {
            throw new UserErrorException("finetune4j.chat.model-name names an adapter, and the service has the adapters"
                    + " (finetune4j.server.enabled): ask the service for it, or leave one of them out");
        }
        GenerationOptions.Builder options = GenerationOptions.builder();
        if (chat.temperature() != null) {
            options.temperature(chat.temperature());
        }
        if (chat.seed() != null) {
            builder.seed(chat.seed());
        }
        return builder.options(options.build()).build();
    }

    /**
     * LangChain4j's chat model.
     *
     * @param models answer
     * @param properties which adapter answers unless a request says so
     * @return the chat model
     */
    @Bean
    @ConditionalOnMissingBean
    public ChatModel finetuneChatModel(FinetuneModels models, FinetuneProperties properties) {
        String name = properties.chat().modelName();
        return name == null ? models.chatModel() : models.chatModel(name);
    }

    /**
     * LangChain4j's chat model that answers in pieces.
     *
     * @param models answer
     * @param properties which adapter answers unless a request says so
     * @return the chat model
     */
    @Bean
    @ConditionalOnMissingBean
    public StreamingChatModel finetuneStreamingChatModel(FinetuneModels models, FinetuneProperties properties) {
        String name = properties.chat().modelName();
        return name == null ? models.streamingChatModel() : models.streamingChatModel(name);
    }

    /**
     * The OpenAI-compatible service.
     *
     * @param model answers
     * @param properties where it listens, and which folder adapters come from
     * @return the running service
     */
    @Bean
    @ConditionalOnMissingBean
    @ConditionalOnProperty(name = "finetune4j.server.enabled", havingValue = "true")
    public ModelServer finetuneServer(CausalLM model, FinetuneProperties properties) {
        ModelServer.Builder builder = ModelServer.builder(model)
                .host(properties.server().host())
                .port(properties.server().port());
        if (properties.adapters() != null) {
            builder.adapters(properties.adapters()).offerAll(true);
        }
        return builder.start();
    }
}
