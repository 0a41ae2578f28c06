package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.Statement.Signature;
import org.jspecify.annotations.Nullable;

/** A macro, or the body of a call block. It sees the names where it is written, never those where it is called. */
final class Macro implements TemplateCallable {

    private final Signature signature;
    private final List<Statement> body;
    private final Scope around;
    private final Rendering rendering;

    Macro(Signature signature, List<Statement> body, Scope around, Rendering rendering) {
        this.signature = signature;
        this.body = body;
        this.around = around;
        this.rendering = rendering;
    }

    @Nullable
    Object member(String name) {
        return name.equals("name") ? signature.name() : new Undefined("a macro has no '" + name + "'");
    }

    @Override
    public Object call(TemplateArguments given) {
        int line = rendering.line();
        Scope scope = around.inner();
        bind(scope, given);
        StringBuilder text = new StringBuilder();
        new StatementRunner(rendering, scope, text).run(body);
        rendering.moveTo(line);
        return text.toString();
    }

    private void bind(Scope scope, TemplateArguments given) {
        List<@Nullable Object> arguments = given.positional();
        List<Signature.Parameter> parameters = signature.parameters();
        Map<String, @Nullable Object> named = new LinkedHashMap<>(given.named());
        ExpressionEvaluator defaults = new ExpressionEvaluator(rendering.budget(), scope);
        for (int i = 0; i < parameters.size(); i++) {
            Signature.Parameter parameter = parameters.get(i);
            Object value;
            if (i < arguments.size()) {
                value = arguments.get(i);
            } else if (named.containsKey(parameter.name())) {
                value = named.remove(parameter.name());
            } else if (parameter.otherwise() != null) {
                value = defaults.evaluate(parameter.otherwise());
            } else {
                value = new Undefined("parameter '" + parameter.name() + "' was not provided");
            }
            scope.set(parameter.name(), value);
        }
        if (uses("caller")) {
            Object caller = named.remove("caller");
            scope.set("caller", caller == null ? new Undefined("No caller defined") : caller);
        }
        if (uses("kwargs")) {
            scope.set("kwargs", named);
        } else if (!named.isEmpty()) {
            throw new UserErrorException("the macro '" + signature.name() + "' takes no argument '"
                    + named.keySet().iterator().next() + "'");
        }
        int taken = Math.min(parameters.size(), arguments.size());
        if (uses("varargs")) {
            scope.set("varargs", new PythonTuple(new ArrayList<>(arguments.subList(taken, arguments.size()))));
        } else if (arguments.size() > taken) {
            throw new UserErrorException(
                    "the macro '" + signature.name() + "' takes not more than " + taken + " arguments");
        }
    }

    private boolean uses(String name) {
        return signature.uses().contains(name);
    }
}
