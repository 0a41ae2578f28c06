package org.finetune4j.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import org.finetune4j.langchain4j.FinetuneModels;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ChainModel;
import org.finetune4j.serve.ModelServer;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Import;
import org.springframework.stereotype.Component;

/** Properties make beans: none without a model, chat models with one, the service where it is asked for. */
class FinetuneAutoConfigurationTest {

    @TempDir
    private static Path folder;

    private final ApplicationContextRunner runner =
            new ApplicationContextRunner().withConfiguration(AutoConfigurations.of(FinetuneAutoConfiguration.class));

    @BeforeAll
    static void write() {
        ChainModel.write(folder.resolve("chain"), "Good ", "morning");
    }

    private static String model() {
        return "finetune4j.model=" + folder.resolve("chain");
    }

    @Test
    void withoutAModelThereIsNothing() {
        runner.run(context -> assertThat(context)
                .doesNotHaveBean(CausalLM.class)
                .doesNotHaveBean(ChatModel.class)
                .doesNotHaveBean(ModelServer.class));
    }

    @Test
    void aModelGivesChatModels() {
        runner.withPropertyValues(model()).run(context -> {
            assertThat(context.getBean(ChatModel.class).chat("hello")).isEqualTo("Good morning");
            assertThat(context).hasSingleBean(StreamingChatModel.class).doesNotHaveBean(ModelServer.class);
        });
    }

    @Test
    void theServiceIsStartedWhereItIsAskedFor() {
        runner.withPropertyValues(model(), "finetune4j.server.enabled=true", "finetune4j.server.port=0")
                .run(context -> {
                    ModelServer server = context.getBean(ModelServer.class);
                    assertThat(ask(server, "/health/ready")).isEqualTo(200);
                    assertThat(context.getBean(ChatModel.class).chat("hello")).isEqualTo("Good morning");
                });
    }

    private static int ask(ModelServer server, String path) throws IOException, InterruptedException {
        return HttpClient.newHttpClient()
                .send(
                        HttpRequest.newBuilder(server.address().resolve(path)).build(),
                        HttpResponse.BodyHandlers.discarding())
                .statusCode();
    }

    @Test
    void whatIsWrongIsSaidWhenTheApplicationStarts() {
        runner.withPropertyValues("finetune4j.model=" + folder.resolve("nowhere"))
                .run(context -> assertThat(context)
                        .getFailure()
                        .rootCause()
                        .hasMessageContaining(folder.resolve("nowhere").toString()));
        runner.withPropertyValues(model(), "finetune4j.chat.model-name=legal")
                .run(context -> assertThat(context).getFailure().rootCause().hasMessageContaining("'legal'"));
        runner.withPropertyValues(model(), "finetune4j.server.enabled=true", "finetune4j.chat.model-name=legal")
                .run(context -> assertThat(context)
                        .getFailure()
                        .rootCause()
                        .hasMessageContaining("finetune4j.chat.model-name"));
    }

    /** A whole application, as users write it. */
    @SpringBootConfiguration
    @EnableAutoConfiguration
    @Import(Greeter.class)
    static class Application {}

    /** Uses the chat model that the starter makes. */
    @Component
    record Greeter(ChatModel chat) {
        String greet(String name) {
            return chat.chat("Greet " + name);
        }
    }

    @Test
    void anApplicationStartsAndStops() {
        FinetuneModels models;
        try (ConfigurableApplicationContext context = new SpringApplicationBuilder(Application.class)
                .properties(model(), "spring.main.banner-mode=off")
                .run()) {
            assertThat(context.getBean(Greeter.class).greet("Ada")).isEqualTo("Good morning");
            models = context.getBean(FinetuneModels.class);
        }
        assertThat(catchThrowable(() -> models.chatModel().chat("x"))).isInstanceOf(IllegalStateException.class);
    }
}
