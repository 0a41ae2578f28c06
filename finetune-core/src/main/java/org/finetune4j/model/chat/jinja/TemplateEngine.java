package org.finetune4j.model.chat.jinja;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import java.util.HashMap;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** The renderer, set up to do what Jinja2 does in transformers. Thread-safe. */
final class TemplateEngine {

    /** More than any conversation that fits a model: a template that writes more is broken. */
    private static final long MAX_OUTPUT = 64L << 20;

    private static final int MAX_DEPTH = 50;

    private static final Jinjava JINJAVA = create();

    private TemplateEngine() {}

    private static Jinjava create() {
        JinjavaConfig config = JinjavaConfig.newBuilder()
                // A message that contains braces is text, never a template.
                .withNestedInterpretationEnabled(false)
                .withKeepTrailingNewline(true)
                .withMaxOutputSize(MAX_OUTPUT)
                .withMaxRenderDepth(MAX_DEPTH)
                .build();
        Jinjava jinjava = new Jinjava(config);
        TemplateTags.all().forEach(jinjava::registerTag);
        TemplateRuntime.functions().forEach(jinjava::registerFunction);
        return jinjava;
    }

    /**
     * Renders a normalised source.
     *
     * @param name what messages call the template
     * @throws UserErrorException when the template refuses, or cannot be rendered
     */
    static String render(JinjaTemplate template, String name, Map<String, @Nullable Object> variables) {
        Map<String, Object> known = new HashMap<>(TemplateFunctions.all());
        variables.forEach((key, value) -> known.put(key, value == null ? TemplateRuntime.NONE : value));
        known.put(TemplateConstants.NAME, template.constants());
        RenderResult result;
        try {
            result = JINJAVA.renderForResult(template.source(), known);
        } catch (RuntimeException e) {
            throw refused(name, e, String.valueOf(e.getMessage()));
        }
        for (TemplateError error : result.getErrors()) {
            throw refused(name, error.getException(), error.getMessage());
        }
        return result.getOutput();
    }

    /** What renders within a scope of its own. */
    static JinjavaInterpreter interpreter(Context scope) {
        return new JinjavaInterpreter(JINJAVA, scope, JINJAVA.getGlobalConfig());
    }

    /** The renderer would note an error and go on: nothing that follows it counts. */
    static void checkErrors(JinjavaInterpreter interpreter) {
        for (TemplateError error : interpreter.getErrors()) {
            throw refused("", error.getException(), error.getMessage());
        }
    }

    private static UserErrorException refused(String name, @Nullable Throwable cause, String message) {
        for (Throwable t = cause; t != null; t = t.getCause()) {
            if (t instanceof UserErrorException own) {
                return name.isEmpty() ? own : new UserErrorException(name + ": " + own.getMessage(), own);
            }
        }
        String line = message.lines().findFirst().orElse("it cannot be rendered");
        return new UserErrorException(name + ": " + line, cause);
    }
}
