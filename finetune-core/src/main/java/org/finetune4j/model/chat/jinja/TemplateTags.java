package org.finetune4j.model.chat.jinja;

import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.tag.ElseIfTag;
import com.hubspot.jinjava.lib.tag.ElseTag;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** The blocks of {@link JinjaStatement}, with Jinja2's scopes: a loop's body has its own, a condition's has not. */
final class TemplateTags {

    /** What stands in a block whose text is taken. */
    static final String BODY = "__body";

    private TemplateTags() {}

    static List<Tag> all() {
        return List.of(
                block("if", TemplateTags::condition),
                block("for", (tag, interpreter) -> new LoopTag(tag, interpreter).render()),
                block("set", TemplateTags::set, null),
                block("setblock", TemplateTags::setBlock),
                block("macro", TemplateTags::macro),
                block("call", TemplateTags::call),
                block("filter", TemplateTags::filter),
                block("with", TemplateTags::with),
                block(
                        "generation",
                        (tag, interpreter) ->
                                JinjaTemplate.START + scoped(tag.getChildren(), interpreter) + JinjaTemplate.END),
                block("break", (tag, interpreter) -> leave(interpreter, true), null),
                block("continue", (tag, interpreter) -> leave(interpreter, false), null));
    }

    @FunctionalInterface
    private interface Body {
        String interpret(TagNode tag, JinjavaInterpreter interpreter);
    }

    private static Tag block(String name, Body body) {
        return block(name, body, "end" + name);
    }

    private static Tag block(String name, Body body, @Nullable String end) {
        return new Tag() {
            private static final long serialVersionUID = 1L;

            @Override
            public String getName() {
                return name;
            }

            @Override
            public @Nullable String getEndTagName() {
                return end;
            }

            @Override
            public String interpret(TagNode tag, JinjavaInterpreter interpreter) {
                return body.interpret(tag, interpreter);
            }
        };
    }

    /** The text of a body, up to where the loop around it is left. */
    static String render(List<Node> body, JinjavaInterpreter interpreter) {
        StringBuilder out = new StringBuilder();
        for (Node node : body) {
            out.append(node.render(interpreter).getValue());
            TemplateEngine.checkErrors(interpreter);
            if (LoopTag.isLeft(interpreter)) {
                break;
            }
        }
        return out.toString();
    }

    private static String scoped(List<Node> body, JinjavaInterpreter interpreter) {
        try (JinjavaInterpreter.InterpreterScopeClosable scope = interpreter.enterScope()) {
            return render(body, interpreter);
        }
    }

    static @Nullable Object evaluate(String expression, TagNode tag, JinjavaInterpreter interpreter) {
        Object value = interpreter.resolveELExpression(expression, tag.getLineNumber());
        TemplateEngine.checkErrors(interpreter);
        return value;
    }

    /** The constant whose number stands first in a tag. */
    static Object constant(TagNode tag, JinjavaInterpreter interpreter) {
        String number = tag.getHelpers().strip().split(" ", 2)[0];
        TemplateConstants constants = TemplateRuntime.constants(interpreter.getContext());
        return Objects.requireNonNull(constants.get(Integer.parseInt(number)));
    }

    /** What stands behind that number. */
    static String expression(TagNode tag) {
        return tag.getHelpers().strip().split(" ", 2)[1];
    }

    private static String condition(TagNode tag, JinjavaInterpreter interpreter) {
        StringBuilder out = new StringBuilder();
        boolean holds = Boolean.TRUE.equals(evaluate(tag.getHelpers(), tag, interpreter));
        for (Node child : tag.getChildren()) {
            if (child instanceof TagNode branch && branch.getTag() instanceof ElseIfTag) {
                if (holds) {
                    break;
                }
                holds = Boolean.TRUE.equals(evaluate(branch.getHelpers(), branch, interpreter));
            } else if (child instanceof TagNode branch && branch.getTag() instanceof ElseTag) {
                if (holds) {
                    break;
                }
                holds = true;
            } else if (holds) {
                out.append(child.render(interpreter).getValue());
                TemplateEngine.checkErrors(interpreter);
                if (LoopTag.isLeft(interpreter)) {
                    break;
                }
            }
        }
        return out.toString();
    }

    private static String set(TagNode tag, JinjavaInterpreter interpreter) {
        assign(constant(tag, interpreter), evaluate(expression(tag), tag, interpreter), interpreter.getContext());
        return "";
    }

    private static String setBlock(TagNode tag, JinjavaInterpreter interpreter) {
        Object filtered = filtered(expression(tag), tag, interpreter);
        assign(constant(tag, interpreter), filtered, interpreter.getContext());
        return "";
    }

    private static @Nullable Object filtered(String expression, TagNode tag, JinjavaInterpreter interpreter) {
        String body = scoped(tag.getChildren(), interpreter);
        try (JinjavaInterpreter.InterpreterScopeClosable scope = interpreter.enterScope()) {
            interpreter.getContext().put(BODY, body);
            return evaluate(expression, tag, interpreter);
        }
    }

    private static String filter(TagNode tag, JinjavaInterpreter interpreter) {
        return TemplateRuntime.out(filtered(tag.getHelpers(), tag, interpreter));
    }

    private static String macro(TagNode tag, JinjavaInterpreter interpreter) {
        JinjaStatement.Signature signature = (JinjaStatement.Signature) constant(tag, interpreter);
        interpreter
                .getContext()
                .put(signature.name(), new TemplateMacro(signature, List.copyOf(tag.getChildren()), interpreter));
        return "";
    }

    /** The called macro is given the body as {@code caller}. */
    private static String call(TagNode tag, JinjavaInterpreter interpreter) {
        JinjaStatement.Signature signature = (JinjaStatement.Signature) constant(tag, interpreter);
        TemplateMacro caller = new TemplateMacro(signature, List.copyOf(tag.getChildren()), interpreter);
        try (JinjavaInterpreter.InterpreterScopeClosable scope = interpreter.enterScope()) {
            interpreter.getContext().put(TemplateRuntime.CALLER, caller);
            return TemplateRuntime.out(evaluate(expression(tag), tag, interpreter));
        }
    }

    private static String with(TagNode tag, JinjavaInterpreter interpreter) {
        List<?> targets = (List<?>) constant(tag, interpreter);
        Object values = evaluate(expression(tag), tag, interpreter);
        try (JinjavaInterpreter.InterpreterScopeClosable scope = interpreter.enterScope()) {
            assign(targets, values, interpreter.getContext());
            return render(tag.getChildren(), interpreter);
        }
    }

    private static String leave(JinjavaInterpreter interpreter, boolean forGood) {
        LoopState loop = LoopTag.current(interpreter);
        if (loop != null && forGood) {
            loop.breakOff();
        } else if (loop != null) {
            loop.goOn();
        }
        return "";
    }

    /** Gives a name, a member of a namespace, or several of these their value. */
    static void assign(Object target, @Nullable Object value, Context context) {
        if (target instanceof String name) {
            TemplateRuntime.put(context, name, value);
        } else if (target instanceof JinjaStatement.Member member) {
            if (!(context.get(member.namespace()) instanceof TemplateNamespace namespace)) {
                throw new UserErrorException("the chat template assigns to '" + member.name() + "' of '"
                        + member.namespace() + "', which is no namespace");
            }
            namespace.members().put(member.name(), value);
        } else if (target instanceof List<?> targets) {
            List<@Nullable Object> values = PythonValues.elements(value);
            if (values.size() != targets.size()) {
                throw new UserErrorException(
                        "the chat template takes " + values.size() + " values apart into " + targets.size() + " names");
            }
            Map<Object, @Nullable Object> pairs = new LinkedHashMap<>();
            for (int i = 0; i < targets.size(); i++) {
                pairs.put(targets.get(i), values.get(i));
            }
            pairs.forEach((each, part) -> assign(each, part, context));
        }
    }
}
