package org.finetune4j.model.chat.jinja;

import java.util.List;
import java.util.Map;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** A template in Jinja2's language, read once. Thread-safe. */
public final class JinjaTemplate {

    /**
     * A code point that is no character, and so occurs in no text: where a <code>{% generation %}</code> block begins. {@link
     * #END} is where it ends.
     */
    public static final char START = '\uFDD0';

    /** Where a <code>{% generation %}</code> block ends. */
    public static final char END = '\uFDD1';

    private final String name;
    private final List<Statement> body;

    private JinjaTemplate(String name, List<Statement> body) {
        this.name = name;
        this.body = body;
    }

    /**
     * Reads a template as transformers does: {@code trim_blocks} and {@code lstrip_blocks} are on.
     *
     * @param name what messages call the template, such as its file
     * @param source in Jinja2's language
     * @return the template
     * @throws UserErrorException when Jinja2 would not read it either, or a block is not known
     */
    public static JinjaTemplate of(String name, String source) {
        try {
            return new JinjaTemplate(name, TemplateParser.parse(TemplateLexer.pieces(source)));
        } catch (UserErrorException e) {
            throw new UserErrorException(name + ": " + e.getMessage(), e);
        } catch (StackOverflowError e) {
            // The caller has left too little of the stack.
            throw new UserErrorException(name + ": " + RenderBudget.tooDeep().getMessage(), e);
        }
    }

    /**
     * The text that the template makes, with marks around what generation blocks write.
     *
     * @param variables what the template knows by name: texts, numbers, truth values, null, lists and maps
     * @param session the renderings that this one belongs to
     * @return the text
     * @throws UserErrorException when the template refuses, cannot be rendered, or would take too much time or memory
     */
    public String render(Map<String, ? extends @Nullable Object> variables, RenderSession session) {
        session.budget().begin();
        Scope globals = new Scope(null);
        TemplateFunctions.all(session.now()).forEach(globals::set);
        variables.forEach(globals::set);
        Rendering rendering = new Rendering(session.budget());
        StringBuilder out = new StringBuilder();
        try {
            new StatementRunner(rendering, globals, out).run(body);
            return out.toString();
        } catch (UserErrorException e) {
            throw failed(rendering, String.valueOf(e.getMessage()), e);
        } catch (RuntimeException e) {
            throw failed(rendering, "the chat template cannot be rendered: " + Reasons.of(e), e);
        } catch (StackOverflowError e) {
            throw failed(rendering, String.valueOf(RenderBudget.tooDeep().getMessage()), e);
        }
    }

    private UserErrorException failed(Rendering rendering, String message, Throwable cause) {
        return new UserErrorException(name + ": " + message + " (line " + rendering.line() + ")", cause);
    }

    /**
     * What was rendered, as a reader sees it.
     *
     * @param marked what {@link #render} gave
     * @return the same without marks
     */
    public static String withoutMarks(String marked) {
        return marked.indexOf(START) < 0
                ? marked
                : marked.replace(String.valueOf(START), "").replace(String.valueOf(END), "");
    }
}
