package org.finetune4j.model.chat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.JinjaTemplate;
import org.finetune4j.model.chat.jinja.PythonText;
import org.finetune4j.model.chat.jinja.RenderSession;
import org.jspecify.annotations.Nullable;

/**
 * A model's chat template: puts conversations into the words that the model was trained with. The text is that of
 * transformers' {@code apply_chat_template}; tokenise it without adding special tokens. Thread-safe.
 *
 * <pre>{@code
 * ChatTemplate template = ChatTemplate.load(Path.of("models/Qwen2.5-0.5B-Instruct")).orElseThrow();
 * String prompt = template.render(List.of(ChatMessage.user("Hello!")), ChatOptions.generation());
 * }</pre>
 */
public final class ChatTemplate {

    private final String name;
    private final String source;
    private final @Nullable String sourceForTools;
    private final JinjaTemplate template;
    private final JinjaTemplate templateForTools;
    private final Map<String, String> specialTokens;

    private ChatTemplate(
            String name, String source, @Nullable String sourceForTools, Map<String, String> specialTokens) {
        this.name = name;
        this.source = source;
        this.sourceForTools = sourceForTools;
        this.template = JinjaTemplate.of(name, source);
        this.templateForTools = sourceForTools == null ? template : JinjaTemplate.of(name, sourceForTools);
        this.specialTokens = Map.copyOf(specialTokens);
    }

    /**
     * A template from its source.
     *
     * @param name what messages call it, such as its file
     * @param source in Jinja2's language
     * @param specialTokens by the names templates know them by, such as {@code bos_token}
     * @return the template
     * @throws UserErrorException when the source is no template
     */
    public static ChatTemplate of(String name, String source, Map<String, String> specialTokens) {
        return new ChatTemplate(name, source, null, specialTokens);
    }

    /**
     * The template of a model directory: {@code chat_template.jinja}, {@code chat_template.json}, or the one in {@code
     * tokenizer_config.json}; empty where there is none. Of several the one called {@code default} is used, and {@code
     * tool_use} where a conversation comes with tools.
     *
     * @param directory of a model, a tokenizer or an adapter
     * @return the template, with the special tokens that the same directory names
     * @throws UserErrorException when a file cannot be read, or of several templates none is the default
     */
    public static Optional<ChatTemplate> load(Path directory) {
        ChatTemplateFiles files = ChatTemplateFiles.read(directory);
        if (files.byName().isEmpty()) {
            return Optional.empty();
        }
        String usual = files.byName().get(ChatTemplateFiles.DEFAULT);
        if (usual == null) {
            throw new UserErrorException(files.origin() + ": of the chat templates "
                    + String.join(", ", files.byName().keySet()) + " none is called 'default': name a file with one as"
                    + " chat_template");
        }
        String name = files.origin().toString();
        return Optional.of(new ChatTemplate(
                name, usual, files.byName().get(ChatTemplateFiles.TOOLS), ChatTemplateFiles.specialTokens(directory)));
    }

    /**
     * The source of the template that a model directory has for conversations without tools, as it is written; empty
     * where there is none.
     *
     * @param directory of a model, a tokenizer or an adapter
     * @return in Jinja2's language
     * @throws UserErrorException when a file cannot be read
     */
    public static Optional<String> source(Path directory) {
        return Optional.ofNullable(ChatTemplateFiles.read(directory).byName().get(ChatTemplateFiles.DEFAULT));
    }

    /**
     * The template in a file of its own.
     *
     * @param file with the template's source
     * @param model directory whose files name the special tokens, or null
     * @return the template
     * @throws UserErrorException when a file cannot be read, or holds no template
     */
    public static ChatTemplate read(Path file, @Nullable Path model) {
        Map<String, String> tokens = model == null ? Map.of() : ChatTemplateFiles.specialTokens(model);
        return of(file.toString(), InputFiles.text(file), tokens);
    }

    /**
     * The names that {@link #named} knows without any file.
     *
     * @return such as {@code chatml} and {@code llama3}, in the order of the alphabet
     */
    public static List<String> builtInNames() {
        return BuiltInTemplates.NAMES;
    }

    /**
     * What a setting {@code chat_template} means: one of {@link #builtInNames()}, a file with a template, or a directory of
     * a model or tokenizer that has one. A file that is called as a built-in template is meant by {@code ./NAME}.
     *
     * @param nameOrPath the setting
     * @param model directory whose files name the special tokens, or null
     * @return the template, with the special tokens of {@code model} whose template it may not be
     * @throws UserErrorException when it is neither, with the nearest name, or cannot be read
     */
    public static ChatTemplate named(String nameOrPath, @Nullable Path model) {
        if (BuiltInTemplates.NAMES.contains(nameOrPath)) {
            Map<String, String> tokens = model == null ? Map.of() : ChatTemplateFiles.specialTokens(model);
            return of("chat template '" + nameOrPath + "'", BuiltInTemplates.source(nameOrPath), tokens);
        }
        Path path = InputFiles.path("chat_template", nameOrPath);
        if (Files.isDirectory(path)) {
            ChatTemplate other = load(path)
                    .orElseThrow(() -> new UserErrorException("chat_template: " + path + " has no chat template"));
            return model == null ? other : other.withSpecialTokens(ChatTemplateFiles.specialTokens(model));
        }
        if (!Files.exists(path)) {
            throw new UserErrorException(
                    "chat_template: '" + Reasons.oneLine(nameOrPath) + "' is neither a file nor one of "
                            + String.join(", ", BuiltInTemplates.NAMES)
                            + Suggestions.didYouMean(nameOrPath, BuiltInTemplates.NAMES));
        }
        return read(path, model);
    }

    private ChatTemplate withSpecialTokens(Map<String, String> tokens) {
        return new ChatTemplate(name, source, sourceForTools, tokens);
    }

    /**
     * What messages call this template.
     *
     * @return its file, or its name
     */
    public String name() {
        return name;
    }

    /**
     * The template as it is written, for conversations without tools.
     *
     * @return in Jinja2's language
     */
    public String source() {
        return source;
    }

    /**
     * Writes the template where transformers, and {@link #load}, look for that of a model or an adapter: as {@code
     * chat_template.jinja}, with one of its own for tools below {@code additional_chat_templates}.
     *
     * @param directory that of the model or adapter, which exists
     * @throws UserErrorException when a file cannot be written
     */
    public void save(Path directory) {
        AtomicFiles.writeString(directory.resolve(ChatTemplateFiles.OWN), source);
        if (sourceForTools != null) {
            AtomicFiles.writeString(directory.resolve(ChatTemplateFiles.OWN_FOR_TOOLS), sourceForTools);
        }
    }

    /**
     * The conversation in the template's words.
     *
     * @param messages from the first to the last
     * @param options what is rendered beside them
     * @return the text, special tokens spelt out
     * @throws UserErrorException when the template refuses the conversation
     */
    public String render(List<ChatMessage> messages, ChatOptions options) {
        RenderSession session = RenderSession.start();
        String text = JinjaTemplate.withoutMarks(renderMarked(messages, options, session));
        return options.continueFinalMessage()
                ? untilFinalContent(text, messages, new TemplateProbe(this, options, session))
                : text;
    }

    /**
     * The finished conversation, and where in the text the assistant's turns lie: as the template's own {@code generation}
     * blocks say, or, where it has none, by rendering what comes before each turn.
     *
     * @param messages from the first to the last
     * @param options what is rendered beside them; the conversation is taken to be finished
     * @return the text with the places of the answers
     * @throws UserErrorException when the template refuses the conversation, or an answer's place depends on what follows it
     */
    public RenderedChat renderWithSpans(List<ChatMessage> messages, ChatOptions options) {
        return renderWithSpans(messages, options, RenderSession.start());
    }

    RenderedChat renderWithSpans(List<ChatMessage> messages, ChatOptions options, RenderSession session) {
        ChatOptions finished = options.withGenerationPrompt(false);
        String marked = renderMarked(messages, finished, session);
        AssistantSpans spans = new AssistantSpans(
                this, messages, new TemplateProbe(this, finished, session), JinjaTemplate.withoutMarks(marked));
        return marked.indexOf(JinjaTemplate.START) >= 0 ? spans.marked(marked) : spans.found();
    }

    String renderMarked(List<ChatMessage> messages, ChatOptions options, RenderSession session) {
        Map<String, @Nullable Object> variables = new LinkedHashMap<>(specialTokens);
        variables.put("messages", fields(messages));
        variables.put("add_generation_prompt", options.addGenerationPrompt());
        variables.put("tools", options.tools());
        variables.put("documents", null);
        variables.putAll(options.variables());
        return (options.tools() == null ? template : templateForTools).render(variables, session);
    }

    private static List<Map<String, @Nullable Object>> fields(List<ChatMessage> messages) {
        List<Map<String, @Nullable Object>> all = new ArrayList<>();
        for (ChatMessage message : messages) {
            all.add(new LinkedHashMap<>(message.fields()));
        }
        return all;
    }

    String withoutBos(String text) {
        String bos = specialTokens.getOrDefault("bos_token", "");
        return text.startsWith(bos) ? text.substring(bos.length()) : text;
    }

    /** Cuts what the template writes behind the last message's own words: what stays when they are others. */
    private String untilFinalContent(String text, List<ChatMessage> messages, TemplateProbe probe) {
        List<ChatMessage> changed = new ArrayList<>(messages);
        ChatMessage last = messages.get(messages.size() - 1);
        changed.set(messages.size() - 1, last.withContent(MessagePlaces.otherThan(last.content())));
        Optional<String> other = probe.text(changed, false);
        String content = PythonText.strip(last.content());
        // The template may refuse other words: then the last place is meant where the message's own stand.
        int end = other.isPresent()
                ? text.length() - MessagePlaces.commonSuffix(text, other.get())
                : text.lastIndexOf(content) + content.length();
        boolean appears = other.isPresent()
                ? other.get().contains(MessagePlaces.otherThan(last.content()))
                : !content.isEmpty() && text.contains(content);
        if (!appears) {
            throw new UserErrorException(name + ": the last message does not appear in the rendered conversation,"
                    + " so it cannot be continued");
        }
        return text.substring(0, end);
    }
}
