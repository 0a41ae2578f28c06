package org.finetune4j.model.chat.jinja;

import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.tree.Node;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * A macro, or the body of a call block. It sees the names where it is written, never those where it is called.
 */
final class TemplateMacro implements TemplateCallable {

    private static final int MAX_DEPTH = 100;
    private static final String DEPTH = "__macros";

    private final JinjaStatement.Signature signature;
    private final List<Node> body;
    private final Context around;

    TemplateMacro(JinjaStatement.Signature signature, List<Node> body, JinjavaInterpreter interpreter) {
        this.signature = signature;
        this.body = body;
        this.around = interpreter.getContext();
    }

    @Nullable
    Object member(String name) {
        return name.equals("name") ? signature.name() : new Undefined("a macro has no '" + name + "'");
    }

    @Override
    public Object call(TemplateArguments given) {
        JinjavaInterpreter caller = JinjavaInterpreter.getCurrent();
        int depth = caller.getContext().get(DEPTH) instanceof Integer outer ? outer + 1 : 1;
        if (depth > MAX_DEPTH) {
            throw new UserErrorException("the macro '" + signature.name() + "' calls itself too deeply");
        }
        Context scope = new Context(around);
        scope.put(DEPTH, depth);
        JinjavaInterpreter inner = TemplateEngine.interpreter(scope);
        JinjavaInterpreter.pushCurrent(inner);
        try {
            bind(inner, given.positional(), given.named());
            String text = TemplateTags.render(body, inner);
            inner.getErrors().forEach(caller::addError);
            return text;
        } finally {
            JinjavaInterpreter.popCurrent();
        }
    }

    private void bind(JinjavaInterpreter inner, List<@Nullable Object> arguments, Map<String, @Nullable Object> named) {
        List<String> parameters = signature.parameters();
        Map<String, @Nullable Object> rest = new LinkedHashMap<>(named);
        int firstDefault = parameters.size() - signature.defaults().size();
        for (int i = 0; i < parameters.size(); i++) {
            String parameter = parameters.get(i);
            Object value;
            if (i < arguments.size()) {
                value = arguments.get(i);
            } else if (rest.containsKey(parameter)) {
                value = rest.remove(parameter);
            } else if (i >= firstDefault) {
                value = inner.resolveELExpression(signature.defaults().get(i - firstDefault), -1);
            } else {
                value = new Undefined("parameter '" + parameter + "' was not provided");
            }
            TemplateRuntime.put(inner.getContext(), parameter, value);
        }
        Object given = rest.remove("caller");
        if (given != null) {
            inner.getContext().put("caller", given);
        } else if (!signature.name().equals("caller")) {
            inner.getContext().put("caller", new Undefined("No caller defined"));
        }
        List<@Nullable Object> more =
                new ArrayList<>(arguments.subList(Math.min(parameters.size(), arguments.size()), arguments.size()));
        inner.getContext().put("varargs", new PythonTuple(more));
        inner.getContext().put("kwargs", rest);
    }
}
