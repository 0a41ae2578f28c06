package org.finetune4j.spring;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * What {@code finetune4j.*} says.
 *
 * @param model the directory of a Hugging Face checkpoint; without it nothing is set up
 * @param adapters a folder of adapters: each may be named by requests, and the service loads from nowhere else
 * @param chat how the chat models answer
 * @param server the OpenAI-compatible service
 */
@ConfigurationProperties("finetune4j")
public record FinetuneProperties(
        Path model,
        @Nullable Path adapters,
        @DefaultValue Chat chat,
        @DefaultValue Server server) {

    /**
     * How the chat models answer what requests say nothing of.
     *
     * @param modelName the adapter that answers; the base unless set
     * @param temperature of drawing tokens; that of the checkpoint's generation_config.json unless set
     * @param seed the same draws for every request; others each time unless set
     */
    public record Chat(
            @Nullable String modelName,
            @Nullable Double temperature,
            @Nullable Long seed) {}

    /**
     * The service, which answers over HTTP beside the application's own web server.
     *
     * @param enabled whether it is started
     * @param host the address to listen on
     * @param port 0 for any that is free
     */
    public record Server(
            @DefaultValue("false") boolean enabled,
            @DefaultValue("127.0.0.1") String host,
            @DefaultValue("8000") int port) {}
}
