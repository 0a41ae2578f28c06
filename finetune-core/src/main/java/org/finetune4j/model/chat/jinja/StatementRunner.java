package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.Expression.FilterCall;
import org.finetune4j.model.chat.jinja.Statement.Target;
import org.finetune4j.model.chat.jinja.StatementRunner.Flow;
import org.jspecify.annotations.Nullable;

/** Does what statements say, in a scope, and writes down their text. */
final class StatementRunner implements Statement.Visitor<Flow> {

    /** What comes behind a statement. */
    enum Flow {
        NEXT,
        BREAK,
        CONTINUE
    }

    private final Rendering rendering;
    private final RenderBudget budget;
    private final Scope scope;
    private final StringBuilder out;
    private final ExpressionEvaluator expressions;

    StatementRunner(Rendering rendering, Scope scope, StringBuilder out) {
        this.rendering = rendering;
        this.budget = rendering.budget();
        this.scope = scope;
        this.out = out;
        this.expressions = new ExpressionEvaluator(budget, scope);
    }

    /** Runs statements up to the end, or up to where the loop around them is left. */
    Flow run(List<Statement> body) {
        budget.enter();
        Flow flow = Flow.NEXT;
        for (int i = 0; i < body.size() && flow == Flow.NEXT; i++) {
            budget.step();
            flow = body.get(i).accept(this);
        }
        budget.leave();
        return flow;
    }

    private StatementRunner within(Scope inner, StringBuilder text) {
        return new StatementRunner(rendering, inner, text);
    }

    private @Nullable Object evaluate(Expression expression, int line) {
        rendering.moveTo(line);
        return expressions.evaluate(expression);
    }

    private void write(String text) {
        budget.write(text.length());
        out.append(text);
    }

    @Override
    public Flow visit(Statement.Text node) {
        write(node.text());
        return Flow.NEXT;
    }

    @Override
    public Flow visit(Statement.Output node) {
        PythonText.print(evaluate(node.value(), node.line()), out, budget);
        return Flow.NEXT;
    }

    @Override
    public Flow visit(Statement.If node) {
        for (Statement.If.Branch branch : node.branches()) {
            if (PythonValues.truth(evaluate(branch.condition(), branch.line()))) {
                return run(branch.body());
            }
        }
        return run(node.otherwise());
    }

    @Override
    public Flow visit(Statement.For node) {
        loop(node, evaluate(node.elements(), node.line()), 1, out);
        return Flow.NEXT;
    }

    private void loop(Statement.For node, @Nullable Object value, int depth, StringBuilder text) {
        Iterator<@Nullable Object> elements = PythonValues.iterator(value);
        Scope inner = scope.inner();
        StatementRunner body = within(inner, text);
        LoopState state = new LoopState(
                node.condition() == null ? elements : fulfilling(node, elements),
                node.condition() == null && !(value instanceof PythonIterator) ? PythonValues.length(value) : -1,
                depth,
                budget,
                node.isRecursive() ? deeper -> recursive(node, deeper, depth + 1) : null);
        Flow flow = Flow.NEXT;
        boolean completed = false;
        while (flow != Flow.BREAK && state.hasNext()) {
            // What the last round has set is gone.
            inner.clear();
            rendering.moveTo(node.line());
            body.assign(node.target(), state.next());
            inner.set("loop", state);
            flow = body.run(node.body());
            completed |= flow == Flow.NEXT;
        }
        // As in Jinja2, rounds that are left early do not count.
        if (!completed) {
            within(scope.inner(), text).run(node.otherwise());
        }
    }

    private String recursive(Statement.For node, @Nullable Object elements, int depth) {
        StringBuilder text = new StringBuilder();
        int line = rendering.line();
        loop(node, elements, depth, text);
        rendering.moveTo(line);
        return text.toString();
    }

    /** The elements that fulfil a loop's condition, asked for one after the other, as the body may change what it depends on. */
    private Iterator<@Nullable Object> fulfilling(Statement.For node, Iterator<@Nullable Object> elements) {
        Scope inner = scope.inner();
        StatementRunner test = within(inner, new StringBuilder());
        Expression condition = node.condition();
        return new FilteredIterator(elements, element -> {
            inner.clear();
            test.assign(node.target(), element);
            return condition == null || PythonValues.truth(test.evaluate(condition, node.line()));
        });
    }

    @Override
    public Flow visit(Statement.Assignment node) {
        assign(node.target(), evaluate(node.value(), node.line()));
        return Flow.NEXT;
    }

    @Override
    public Flow visit(Statement.BlockAssignment node) {
        assign(node.target(), filtered(node.filters(), node.body(), node.line()));
        return Flow.NEXT;
    }

    @Override
    public Flow visit(Statement.FilterBlock node) {
        PythonText.print(filtered(node.filters(), node.body(), node.line()), out, budget);
        return Flow.NEXT;
    }

    private @Nullable Object filtered(List<FilterCall> filters, List<Statement> body, int line) {
        StringBuilder text = new StringBuilder();
        within(scope.inner(), text).run(body);
        rendering.moveTo(line);
        Object value = text.toString();
        for (FilterCall filter : filters) {
            value = expressions.filtered(filter, value);
        }
        return value;
    }

    @Override
    public Flow visit(Statement.MacroDefinition node) {
        scope.set(node.signature().name(), new Macro(node.signature(), node.body(), scope, rendering));
        return Flow.NEXT;
    }

    /** The called macro is given the body as {@code caller}. */
    @Override
    public Flow visit(Statement.CallBlock node) {
        rendering.moveTo(node.line());
        Macro caller = new Macro(node.caller(), node.body(), scope, rendering);
        PythonText.print(expressions.call(node.call(), caller), out, budget);
        return Flow.NEXT;
    }

    @Override
    public Flow visit(Statement.With node) {
        List<@Nullable Object> values = new ArrayList<>();
        for (Expression value : node.values()) {
            values.add(evaluate(value, node.line()));
        }
        StatementRunner body = within(scope.inner(), out);
        for (int i = 0; i < values.size(); i++) {
            body.assign(node.targets().get(i), values.get(i));
        }
        return body.run(node.body());
    }

    @Override
    public Flow visit(Statement.Generation node) {
        write(String.valueOf(JinjaTemplate.START));
        within(scope.inner(), out).run(node.body());
        write(String.valueOf(JinjaTemplate.END));
        return Flow.NEXT;
    }

    @Override
    public Flow visit(Statement.Break node) {
        return Flow.BREAK;
    }

    @Override
    public Flow visit(Statement.Continue node) {
        return Flow.CONTINUE;
    }

    private void assign(Target target, @Nullable Object value) {
        if (target instanceof Target.Variable variable) {
            scope.set(variable.name(), value);
        } else if (target instanceof Target.Member member) {
            if (!(scope.get(member.namespace()) instanceof TemplateNamespace namespace)) {
                throw new UserErrorException("the chat template assigns to '" + member.name() + "' of '"
                        + member.namespace() + "', which is no namespace");
            }
            namespace.members().put(member.name(), value);
        } else if (target instanceof Target.Several several) {
            List<@Nullable Object> values = PythonValues.elements(value, budget);
            if (values.size() != several.targets().size()) {
                throw new UserErrorException("the chat template takes " + values.size() + " values apart into "
                        + several.targets().size() + " names");
            }
            for (int i = 0; i < values.size(); i++) {
                assign(several.targets().get(i), values.get(i));
            }
        }
    }
}
