package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.Completion;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.generate.TokenLogprob;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.model.chat.ChatMessage;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.strategy.Adapter;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Continues texts. */
@Command(
        name = "generate",
        mixinStandardHelpOptions = true,
        description = "Continues texts; prints the continuations only, one prompt's as it is made.")
final class GenerateCommand implements Callable<Integer> {

    /** Tokens to be decoded, from which on weights are packed for it: fewer take less time than that. */
    private static final long WORTH_PACKING = 32;

    @Mixin
    private ModelOptions model;

    @Mixin
    private GenerationSettings settings;

    @Option(names = "--prompt", paramLabel = "TEXT", description = "A text to continue; repeatable: all in one batch.")
    private List<String> prompts = new ArrayList<>();

    @Option(names = "--prompts-file", paramLabel = "FILE", description = "More texts to continue, one a line.")
    private @Nullable Path promptsFile;

    @Option(names = "--json", description = "Print one JSON line a continuation.")
    private boolean json;

    @Option(
            names = "--chat",
            description = "Ask the prompt as a user's message, in the form that the model or adapter was trained in.")
    private boolean chat;

    @Option(
            names = "--chat-template",
            paramLabel = "TEMPLATE",
            description =
                    "As --chat, in another template: alpaca, chatml, llama3, ..., a file, or a directory that has one.")
    private @Nullable String template;

    @Option(names = "--system", paramLabel = "TEXT", description = "With --chat: the system message before it.")
    private @Nullable String system;

    @Override
    public Integer call() {
        List<String> all = prompts();
        if (settings.hasLogprobs() && !json) {
            throw new UserErrorException("--logprobs needs --json: plain output has no place for them");
        }
        if (system != null && !chat && template == null) {
            throw new UserErrorException("--system needs --chat: a text to continue has no place for it");
        }
        GenerationOptions options = settings.options();
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try (CausalLM loaded = model.load();
                Adapter adapter = model.attachAdapter(loaded, false)) {
            if (template != null) {
                loaded.useChatTemplate(ChatTemplate.named(template, loaded.directory()));
            }
            if ((long) all.size() * options.numReturnSequences() * options.maxNewTokens() >= WORTH_PACKING) {
                loaded.packForGeneration();
            }
            TextGenerator generator = TextGenerator.of(loaded);
            if (chat || template != null) {
                List<int[]> asked = all.stream()
                        .map(prompt -> generator.encode(messages(prompt)))
                        .toList();
                for (Completion completion : generator.completeTokens(asked, options)) {
                    out.println(json ? line(completion, all, loaded.tokenizer()) : completion.text());
                }
            } else if (json) {
                for (Completion completion : generator.complete(all, options)) {
                    out.println(line(completion, all, loaded.tokenizer()));
                }
            } else if (all.size() == 1 && options.numReturnSequences() == 1) {
                generator.generate(all.get(0), options, out::print);
                out.println();
            } else {
                generator.complete(all, options).forEach(completion -> out.println(completion.text()));
            }
        }
        return 0;
    }

    private List<ChatMessage> messages(String prompt) {
        List<ChatMessage> messages = new ArrayList<>();
        if (system != null) {
            messages.add(ChatMessage.system(system));
        }
        messages.add(ChatMessage.user(prompt));
        return messages;
    }

    private List<String> prompts() {
        List<String> all = new ArrayList<>(prompts);
        if (promptsFile != null) {
            InputFiles.text(promptsFile).lines().filter(line -> !line.isBlank()).forEach(all::add);
        }
        if (all.isEmpty()) {
            throw new UserErrorException("there is nothing to continue: expected --prompt or --prompts-file");
        }
        return all;
    }

    private String line(Completion completion, List<String> all, Tokenizer tokenizer) {
        ObjectNode line = Json.object();
        line.put("prompt", all.get(completion.prompt()));
        line.put("text", completion.text());
        ArrayNode ids = line.putArray("ids");
        completion.ids().forEach(ids::add);
        line.put("finish_reason", completion.finishReason().name().toLowerCase(Locale.ROOT));
        if (completion.score() != 0) {
            line.put("score", completion.score());
        }
        if (settings.hasLogprobs()) {
            ArrayNode logprobs = line.putArray("logprobs");
            completion.logprobs().forEach(logprob -> logprobs.add(node(logprob, tokenizer)));
        }
        return Json.write(line);
    }

    private ObjectNode node(TokenLogprob logprob, Tokenizer tokenizer) {
        ObjectNode node = node(logprob.token(), logprob.logprob(), tokenizer);
        ArrayNode top = node.putArray("top");
        logprob.top().forEach(candidate -> top.add(node(candidate.token(), candidate.logprob(), tokenizer)));
        return node;
    }

    private ObjectNode node(int token, double logprob, Tokenizer tokenizer) {
        ObjectNode node = Json.object();
        node.put("id", token);
        node.put("token", tokenizer.decode(new int[] {token}, false));
        node.put("logprob", logprob);
        return node;
    }
}
