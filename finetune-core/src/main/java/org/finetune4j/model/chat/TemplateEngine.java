package org.finetune4j.model.chat;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
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
                .withElResolver(new TemplateValues())
                .withKeepTrailingNewline(true)
                .withMaxOutputSize(MAX_OUTPUT)
                .withMaxRenderDepth(MAX_DEPTH)
                .withEnableRecursiveMacroCalls(true)
                .withMaxMacroRecursionDepth(MAX_DEPTH)
                .withIterateOverMapKeys(true)
                .withLegacyOverrides(LegacyOverrides.newBuilder()
                        .withIterateOverMapKeys(true)
                        .withEvaluateMapKeys(true)
                        .withUsePyishObjectMapper(true)
                        .withUseNaturalOperatorPrecedence(true)
                        .build())
                .build();
        Jinjava jinjava = new Jinjava(config);
        TemplateFilters.all().forEach(jinjava::registerFilter);
        TemplateTests.all().forEach(jinjava.getGlobalContext()::registerExpTest);
        jinjava.registerTag(new GenerationTag());
        jinjava.registerFunction(new ELFunctionDefinition(
                "", "raise_exception", TemplateFunctions.class, "raiseException", Object.class));
        jinjava.registerFunction(
                new ELFunctionDefinition("", "strftime_now", TemplateFunctions.class, "strftimeNow", String.class));
        return jinjava;
    }

    /**
     * Renders a normalised source.
     *
     * @param name what messages call the template
     * @throws UserErrorException when the template refuses, or cannot be rendered
     */
    static String render(String source, String name, Map<String, @Nullable Object> variables) {
        RenderResult result;
        try {
            result = JINJAVA.renderForResult(source, variables);
        } catch (RuntimeException e) {
            throw refused(name, e, String.valueOf(e.getMessage()));
        }
        for (TemplateError error : result.getErrors()) {
            throw refused(name, error.getException(), error.getMessage());
        }
        return result.getOutput();
    }

    private static UserErrorException refused(String name, @Nullable Throwable cause, String message) {
        for (Throwable t = cause; t != null; t = t.getCause()) {
            if (t instanceof UserErrorException own) {
                return new UserErrorException(name + ": " + own.getMessage(), own);
            }
        }
        String line = message.lines().findFirst().orElse("it cannot be rendered");
        return new UserErrorException(name + ": " + line, cause);
    }
}
