package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.Expression.Arguments;
import org.finetune4j.model.chat.jinja.Expression.FilterCall;
import org.jspecify.annotations.Nullable;

/** Works out expressions with Python's values, in a scope. */
final class ExpressionEvaluator implements Expression.Visitor<@Nullable Object> {

    private final RenderBudget budget;
    private final Scope scope;

    ExpressionEvaluator(RenderBudget budget, Scope scope) {
        this.budget = budget;
        this.scope = scope;
    }

    @Nullable
    Object evaluate(Expression expression) {
        budget.enter();
        Object value = expression.accept(this);
        budget.leave();
        return value;
    }

    private boolean truth(Expression expression) {
        return PythonValues.truth(evaluate(expression));
    }

    @Override
    public @Nullable Object visit(Expression.Literal node) {
        return node.value();
    }

    @Override
    public @Nullable Object visit(Expression.Name node) {
        return scope.get(node.name());
    }

    @Override
    public @Nullable Object visit(Expression.ListDisplay node) {
        return evaluated(node.elements());
    }

    @Override
    public @Nullable Object visit(Expression.TupleDisplay node) {
        return new PythonTuple(evaluated(node.elements()));
    }

    private List<@Nullable Object> evaluated(List<Expression> expressions) {
        budget.elements(expressions.size());
        List<@Nullable Object> values = new ArrayList<>(expressions.size());
        for (Expression expression : expressions) {
            values.add(evaluate(expression));
        }
        return values;
    }

    @Override
    public @Nullable Object visit(Expression.DictDisplay node) {
        Map<@Nullable Object, @Nullable Object> map = new LinkedHashMap<>();
        for (Expression.DictDisplay.Pair pair : node.pairs()) {
            budget.elements(4);
            Object key = PythonValues.key(evaluate(pair.key()), budget);
            map.put(key, evaluate(pair.value()));
        }
        return map;
    }

    @Override
    public @Nullable Object visit(Expression.Attribute node) {
        return PythonMembers.attribute(evaluate(node.base()), node.name());
    }

    @Override
    public @Nullable Object visit(Expression.Item node) {
        Object base = evaluate(node.base());
        return PythonMembers.item(base, evaluate(node.key()), budget);
    }

    @Override
    public @Nullable Object visit(Expression.Slice node) {
        Object base = evaluate(node.base());
        Object start = evaluatedOrNone(node.start());
        Object stop = evaluatedOrNone(node.stop());
        return PythonMembers.slice(base, start, stop, evaluatedOrNone(node.step()), budget);
    }

    private @Nullable Object evaluatedOrNone(@Nullable Expression expression) {
        return expression == null ? null : evaluate(expression);
    }

    @Override
    public @Nullable Object visit(Expression.Call node) {
        return call(node, null);
    }

    /**
     * Calls what an expression calls.
     *
     * @param caller the body of a call block, which the macro knows as {@code caller}, or null
     */
    @Nullable
    Object call(Expression.Call node, @Nullable Macro caller) {
        Object function;
        String name = "the function";
        if (node.function() instanceof Expression.Attribute method) {
            Object base = evaluate(method.base());
            name = method.name();
            function = PythonMembers.attribute(base, name);
            if (function instanceof Undefined) {
                throw new UserErrorException("the chat template calls '" + name + "' on a '"
                        + PythonValues.typeName(base) + "', which is not known");
            }
        } else {
            function = evaluate(node.function());
        }
        if (function instanceof Undefined missing) {
            throw missing.error();
        }
        if (!(function instanceof TemplateCallable callable)) {
            throw new UserErrorException("the chat template calls a value of type '" + PythonValues.typeName(function)
                    + "', which is no function");
        }
        TemplateArguments given = given(name, node.arguments());
        if (caller != null) {
            given.named().put("caller", caller);
        }
        return callable.call(given);
    }

    private TemplateArguments given(String function, Arguments arguments) {
        budget.step();
        List<@Nullable Object> positional =
                new ArrayList<>(arguments.positional().size());
        for (Arguments.Positional argument : arguments.positional()) {
            Object value = evaluate(argument.value());
            if (argument.isSpread()) {
                positional.addAll(PythonValues.elements(value, budget));
            } else {
                positional.add(value);
            }
        }
        Map<String, @Nullable Object> named = new LinkedHashMap<>();
        for (Arguments.Named argument : arguments.named()) {
            Object value = evaluate(argument.value());
            if (argument.name() != null) {
                named.put(argument.name(), value);
            } else if (value instanceof Map<?, ?> map) {
                budget.elements(map.size());
                map.forEach((key, each) -> named.put(String.valueOf(key), each));
            } else {
                throw new UserErrorException("the chat template gives a '" + PythonValues.typeName(value)
                        + "' as arguments by name, which must be a map");
            }
        }
        return new TemplateArguments(function, positional, named, budget);
    }

    @Override
    public @Nullable Object visit(Expression.Filter node) {
        return filtered(node.filter(), evaluate(node.value()));
    }

    /** What a filter makes of a value. */
    @Nullable
    Object filtered(FilterCall filter, @Nullable Object value) {
        return TemplateFilters.apply(filter.name(), value, given(filter.name(), filter.arguments()));
    }

    @Override
    public @Nullable Object visit(Expression.Test node) {
        Object value = evaluate(node.value());
        return TemplateTests.test(node.name(), value, given(node.name(), node.arguments()));
    }

    @Override
    public @Nullable Object visit(Expression.Sign node) {
        return PythonOperators.signed(evaluate(node.value()), node.isNegative());
    }

    @Override
    public @Nullable Object visit(Expression.Binary node) {
        Object left = evaluate(node.left());
        return PythonOperators.binary(node.operator(), left, evaluate(node.right()), budget);
    }

    @Override
    public @Nullable Object visit(Expression.Concatenation node) {
        StringBuilder out = new StringBuilder();
        for (Expression part : node.parts()) {
            PythonText.print(evaluate(part), out, budget);
        }
        return out.toString();
    }

    @Override
    public @Nullable Object visit(Expression.Comparison node) {
        Object left = evaluate(node.first());
        for (Expression.Comparison.Operand operand : node.others()) {
            Object right = evaluate(operand.value());
            if (!PythonOperators.compare(operand.operator(), left, right, budget)) {
                return false;
            }
            left = right;
        }
        return true;
    }

    @Override
    public @Nullable Object visit(Expression.Not node) {
        return !truth(node.value());
    }

    @Override
    public @Nullable Object visit(Expression.And node) {
        Object left = evaluate(node.left());
        return PythonValues.truth(left) ? evaluate(node.right()) : left;
    }

    @Override
    public @Nullable Object visit(Expression.Or node) {
        Object left = evaluate(node.left());
        return PythonValues.truth(left) ? left : evaluate(node.right());
    }

    @Override
    public @Nullable Object visit(Expression.Conditional node) {
        if (truth(node.condition())) {
            return evaluate(node.then());
        }
        return node.otherwise() == null
                ? new Undefined("the inline if-expression had no else")
                : evaluate(Objects.requireNonNull(node.otherwise()));
    }
}
