package org.finetune4j.model.chat.jinja;

import java.util.Map;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** A template in Jinja2's language, read once. Thread-safe. */
public final class JinjaTemplate {

    /**
     * A code point that is no character, and so occurs in no text: where a <code>{% generation %}</code> block begins. {@link
     * #END} is where it ends.
     */
    public static final char START = '\uFDD0';

    public static final char END = '\uFDD1';

    private final String source;
    private final TemplateConstants constants;

    JinjaTemplate(String source, TemplateConstants constants) {
        this.source = source;
        this.constants = constants;
    }

    /**
     * Reads a template as transformers does: {@code trim_blocks} and {@code lstrip_blocks} are on.
     *
     * @throws UserErrorException when Jinja2 would not read it either, or a block is not known
     */
    public static JinjaTemplate of(String source) {
        return JinjaSource.normalize(source);
    }

    /**
     * The text that the template makes, with marks around what generation blocks write.
     *
     * @param name what messages call the template
     * @throws UserErrorException when the template refuses, or cannot be rendered
     */
    public String render(String name, Map<String, @Nullable Object> variables) {
        return TemplateEngine.render(this, name, variables);
    }

    /** What was rendered, as a reader sees it. */
    public static String withoutMarks(String marked) {
        return marked.indexOf(START) < 0
                ? marked
                : marked.replace(String.valueOf(START), "").replace(String.valueOf(END), "");
    }

    /** In the renderer's own terms. */
    String source() {
        return source;
    }

    /** What the source refers to. */
    TemplateConstants constants() {
        return constants;
    }
}
