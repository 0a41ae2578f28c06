package org.finetune4j.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.TokenUsage;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.ConversationForm;
import org.finetune4j.generate.FinishReason;
import org.finetune4j.generate.GenerationHandle;
import org.finetune4j.generate.GenerationListener;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.GenerationRequest;
import org.finetune4j.generate.Rollout;
import org.finetune4j.generate.grammar.AnswerGrammar;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatOptions;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.model.chat.ToolCalls;
import org.jspecify.annotations.Nullable;

/** Answers requests in LangChain4j's form. What would change the answer and is not done is refused by its name. */
final class Answerer {

    private final FinetuneModels models;
    private final String defaultName;
    private final AnswerFormats formats = new AnswerFormats();
    private final AtomicLong answers =
            new AtomicLong(ThreadLocalRandom.current().nextLong(1L << 40));

    Answerer(FinetuneModels models, String defaultName) {
        this.models = models;
        this.defaultName = defaultName;
    }

    ChatRequestParameters defaults() {
        return ChatRequestParameters.builder().modelName(defaultName).build();
    }

    /** A request that is being answered. */
    record Running(
            String model,
            int promptTokens,
            GenerationHandle handle,
            @Nullable ToolCalls calls) {}

    /** Begins to answer; {@code pieces} hears the text as it grows, on the thread that computes. */
    Running begin(ChatRequest request, @Nullable Consumer<String> pieces) {
        ChatRequestParameters parameters = request.parameters();
        refuseOthers(parameters);
        String asked = parameters.modelName() == null ? defaultName : parameters.modelName();
        try {
            FinetuneModels.Named named = models.named(asked);
            CausalLM model = models.model();
            ConversationForm form = form(named);
            ChatTemplate template = form.template();
            List<Map<String, @Nullable Object>> tools = parameters.toolChoice() == ToolChoice.NONE
                    ? List.of()
                    : Conversation.tools(parameters.toolSpecifications());
            String text = template.render(
                    Conversation.messages(request.messages()),
                    ChatOptions.generation().withTools(tools.isEmpty() ? null : tools));
            int[] prompt = model.tokenizer().encode(text, false);
            Set<String> names = new LinkedHashSet<>();
            parameters.toolSpecifications().forEach(tool -> names.add(tool.name()));
            ToolCalls calls = tools.isEmpty() ? null : ToolCalls.of(template, names);
            GenerationOptions options = options(parameters, prompt.length, form);
            AnswerGrammar grammar =
                    tools.isEmpty() ? formats.format(parameters) : formats.besideTools(parameters, calls);
            GenerationRequest generation = GenerationRequest.of(
                    prompt,
                    grammar == null
                            ? options
                            : options.toBuilder().grammar(grammar).build());
            generation = named == null
                    ? generation
                    : generation.withAdapters(named.adapter().rows());
            if (pieces != null) {
                generation = generation.withListener(new GenerationListener() {
                    @Override
                    public void onText(int answer, String piece) {
                        pieces.accept(piece);
                    }
                });
            }
            return new Running(asked, prompt.length, models.engine().submit(generation), calls);
        } catch (UserErrorException | IllegalArgumentException e) {
            throw new InvalidRequestException(e.getMessage(), e);
        }
    }

    private static void refuseOthers(ChatRequestParameters parameters) {
        refuse("frequencyPenalty", parameters.frequencyPenalty() != null && parameters.frequencyPenalty() != 0);
        refuse("presencePenalty", parameters.presencePenalty() != null && parameters.presencePenalty() != 0);
    }

    private static void refuse(String what, boolean asked) {
        if (asked) {
            throw new UnsupportedFeatureException(what + " is not supported: leave it out");
        }
    }

    private ConversationForm form(FinetuneModels.@Nullable Named named) {
        ChatTemplate own = named == null ? null : named.template();
        return own == null ? ConversationForm.of(models.model()) : ConversationForm.of(models.model(), own);
    }

    private GenerationOptions options(ChatRequestParameters parameters, int promptTokens, ConversationForm form) {
        CausalLM model = models.model();
        GenerationOptions given = models.options();
        GenerationOptions.Builder builder = (given == null ? GenerationOptions.builder() : given.toBuilder())
                .numReturnSequences(1)
                .numBeams(1);
        int room = model.network().maxPositions() - model.virtualTokens() - promptTokens;
        Integer most = parameters.maxOutputTokens();
        if (room < 1 || (most != null && (most < 1 || most > room))) {
            throw new UserErrorException(
                    promptTokens + " tokens of the prompt" + (most == null ? "" : " and " + most + " more")
                            + ": the model's context has " + model.network().maxPositions() + " tokens");
        }
        builder.maxNewTokens(most != null ? most : room);
        if (parameters.temperature() != null) {
            builder.temperature(parameters.temperature());
        }
        if (parameters.topP() != null) {
            builder.topP(parameters.topP());
        }
        if (parameters.topK() != null) {
            builder.topK(parameters.topK());
        }
        List<String> stops = new ArrayList<>(given == null ? List.of() : given.stopStrings());
        stops.addAll(parameters.stopSequences());
        stops.addAll(form.stopStrings());
        if (!stops.isEmpty()) {
            builder.stopStrings(stops);
        }
        Set<Integer> ends = new HashSet<>(form.stopTokens());
        if (given != null && given.stopTokens() != null) {
            ends.addAll(given.stopTokens());
        }
        builder.stopTokens(ends);
        Long seed = models.seed();
        builder.seed(seed == null ? answers.getAndIncrement() : seed);
        return builder.build();
    }

    /** Waits for the end of an answer. */
    ChatResponse end(Running running) {
        Rollout rollout = running.handle.result().join().get(0);
        if (rollout.failure() != null) {
            throw new IllegalStateException(
                    "the answer failed: " + rollout.failure().getMessage(), rollout.failure());
        }
        if (rollout.finishReason() == FinishReason.CANCELLED) {
            throw new IllegalStateException("the answer was cancelled: a pass failed, or the model was closed");
        }
        ToolCalls.Parsed parsed = running.calls == null
                ? null
                : running.calls.parse(rollout.text()).orElse(null);
        AiMessage message = parsed == null
                ? AiMessage.from(rollout.text())
                : AiMessage.from(
                        parsed.text(),
                        parsed.calls().stream()
                                .map(call -> ToolExecutionRequest.builder()
                                        .id("call_" + UUID.randomUUID())
                                        .name(call.name())
                                        .arguments(call.arguments())
                                        .build())
                                .toList());
        return ChatResponse.builder()
                .aiMessage(message)
                .modelName(running.model)
                .tokenUsage(new TokenUsage(running.promptTokens, rollout.tokens().length))
                .finishReason(
                        parsed != null
                                ? dev.langchain4j.model.output.FinishReason.TOOL_EXECUTION
                                : rollout.finishReason() == FinishReason.LENGTH
                                        ? dev.langchain4j.model.output.FinishReason.LENGTH
                                        : dev.langchain4j.model.output.FinishReason.STOP)
                .build();
    }
}
