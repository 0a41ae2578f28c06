package org.finetune4j.model.chat.jinja;

import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.tag.ElseTag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One run of <code>{% for %}</code>: with a condition, an else, and itself inside where it is recursive. */
final class LoopTag {

    private static final String LOOP = "loop";
    /** Where break and continue find their loop; {@code loop} may be reassigned, and macros do not see it. */
    private static final String CURRENT = "__loop";

    private final TagNode tag;
    private final JinjavaInterpreter interpreter;
    private final JinjaStatement.Loop loop;
    private final List<Node> body = new ArrayList<>();
    private final List<Node> otherwise = new ArrayList<>();

    LoopTag(TagNode tag, JinjavaInterpreter interpreter) {
        this.tag = tag;
        this.interpreter = interpreter;
        this.loop = (JinjaStatement.Loop) TemplateTags.constant(tag, interpreter);
        List<Node> part = body;
        for (Node child : tag.getChildren()) {
            if (child instanceof TagNode branch && branch.getTag() instanceof ElseTag) {
                part = otherwise;
            } else {
                part.add(child);
            }
        }
    }

    static @Nullable LoopState current(JinjavaInterpreter interpreter) {
        return interpreter.getContext().get(CURRENT) instanceof LoopState state ? state : null;
    }

    static boolean isLeft(JinjavaInterpreter interpreter) {
        LoopState state = current(interpreter);
        return state != null && state.isLeft();
    }

    String render() {
        return render(TemplateTags.evaluate(TemplateTags.expression(tag), tag, interpreter), 1);
    }

    private String render(@Nullable Object value, int depth) {
        List<@Nullable Object> elements = fulfilling(PythonValues.elements(value));
        if (elements.isEmpty()) {
            return otherwise.isEmpty() ? "" : withScope(() -> TemplateTags.render(otherwise, interpreter));
        }
        LoopState state = new LoopState(elements, depth, loop.recursive() ? inner -> render(inner, depth + 1) : null);
        return withScope(() -> {
            StringBuilder out = new StringBuilder();
            Context context = interpreter.getContext();
            for (int i = 0; i < elements.size() && !state.isBroken(); i++) {
                // What the last round has set is gone.
                context.getScope().clear();
                state.moveTo(i);
                context.put(LOOP, state);
                context.put(CURRENT, state);
                TemplateTags.assign(loop.target(), elements.get(i), context);
                out.append(TemplateTags.render(body, interpreter));
            }
            return out.toString();
        });
    }

    private List<@Nullable Object> fulfilling(List<@Nullable Object> elements) {
        String condition = loop.condition();
        if (condition == null) {
            return elements;
        }
        List<@Nullable Object> left = new ArrayList<>();
        withScope(() -> {
            for (Object element : elements) {
                TemplateTags.assign(loop.target(), element, interpreter.getContext());
                if (Boolean.TRUE.equals(TemplateTags.evaluate(condition, tag, interpreter))) {
                    left.add(element);
                }
            }
            return "";
        });
        return left;
    }

    private String withScope(Supplier<String> rendering) {
        try (JinjavaInterpreter.InterpreterScopeClosable scope = interpreter.enterScope()) {
            return rendering.get();
        }
    }
}
