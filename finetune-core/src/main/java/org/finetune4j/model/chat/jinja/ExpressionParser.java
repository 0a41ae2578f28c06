package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.Expression.And;
import org.finetune4j.model.chat.jinja.Expression.Arguments;
import org.finetune4j.model.chat.jinja.Expression.Attribute;
import org.finetune4j.model.chat.jinja.Expression.Binary;
import org.finetune4j.model.chat.jinja.Expression.Call;
import org.finetune4j.model.chat.jinja.Expression.Comparison;
import org.finetune4j.model.chat.jinja.Expression.Concatenation;
import org.finetune4j.model.chat.jinja.Expression.Conditional;
import org.finetune4j.model.chat.jinja.Expression.DictDisplay;
import org.finetune4j.model.chat.jinja.Expression.Filter;
import org.finetune4j.model.chat.jinja.Expression.FilterCall;
import org.finetune4j.model.chat.jinja.Expression.Item;
import org.finetune4j.model.chat.jinja.Expression.ListDisplay;
import org.finetune4j.model.chat.jinja.Expression.Literal;
import org.finetune4j.model.chat.jinja.Expression.Name;
import org.finetune4j.model.chat.jinja.Expression.Not;
import org.finetune4j.model.chat.jinja.Expression.Or;
import org.finetune4j.model.chat.jinja.Expression.Sign;
import org.finetune4j.model.chat.jinja.Expression.Slice;
import org.finetune4j.model.chat.jinja.Expression.Test;
import org.finetune4j.model.chat.jinja.Expression.TupleDisplay;

/** Reads the expressions of a tag by Jinja2's grammar, from what binds loosest to what binds tightest. */
final class ExpressionParser extends TokenCursor {

    private static final int MAX_DEPTH = 300;

    private static final Set<String> SUMS = Set.of("+", "-");
    private static final Set<String> PRODUCTS = Set.of("*", "/", "//", "%");
    private static final Set<String> POWERS = Set.of("**");
    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
    private static final Map<String, Boolean> TRUTH =
            Map.of("true", true, "True", true, "false", false, "False", false);
    private static final Set<String> NO_ARGUMENT = Set.of("else", "or", "and");

    private final Set<String> names;
    private int depth;

    /**
     * A parser of one tag.
     *
     * @param names where the names go that the tag asks for
     */
    ExpressionParser(List<Token> tokens, Set<String> names) {
        super(tokens);
        this.names = names;
    }

    /** An expression, or several that commas make a tuple. */
    Expression tuple(boolean conditional) {
        Supplier<Expression> part = conditional ? this::conditional : this::or;
        Expression first = part.get();
        if (!current().is(",")) {
            return first;
        }
        List<Expression> parts = new ArrayList<>(List.of(first));
        while (accept(",") && !endsTuple()) {
            parts.add(part.get());
        }
        return new TupleDisplay(parts);
    }

    private boolean endsTuple() {
        return atEnd() || current().is(")") || current().is("recursive");
    }

    /** {@code a if b else c}. */
    Expression conditional() {
        return deeper(() -> {
            Expression result = or();
            while (accept("if")) {
                Expression condition = or();
                result = new Conditional(condition, result, accept("else") ? conditional() : null);
            }
            return result;
        });
    }

    private <T> T deeper(Supplier<T> part) {
        if (++depth > MAX_DEPTH) {
            throw RenderBudget.tooDeep();
        }
        T result = part.get();
        depth--;
        return result;
    }

    private Expression or() {
        Expression left = and();
        while (accept("or")) {
            left = new Or(left, and());
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (accept("and")) {
            left = new And(left, not());
        }
        return left;
    }

    private Expression not() {
        return accept("not") ? new Not(deeper(this::not)) : comparison();
    }

    private Expression comparison() {
        Expression first = sum();
        List<Comparison.Operand> others = new ArrayList<>();
        for (String operator = comparisonOperator(); !operator.isEmpty(); operator = comparisonOperator()) {
            others.add(new Comparison.Operand(operator, sum()));
        }
        return others.isEmpty() ? first : new Comparison(first, others);
    }

    private String comparisonOperator() {
        if (current().type() == Token.Type.OPERATOR
                && COMPARISONS.contains(current().text())) {
            return next().text();
        }
        if (accept("in")) {
            return "in";
        }
        if (current().is("not") && following().is("in")) {
            next();
            next();
            return "not in";
        }
        return "";
    }

    private Expression sum() {
        return binary(SUMS, this::concatenation);
    }

    private Expression concatenation() {
        Expression first = product();
        if (!current().is("~")) {
            return first;
        }
        List<Expression> parts = new ArrayList<>(List.of(first));
        while (accept("~")) {
            parts.add(product());
        }
        return new Concatenation(parts);
    }

    private Expression product() {
        return binary(PRODUCTS, this::power);
    }

    private Expression power() {
        return binary(POWERS, () -> unary(true));
    }

    private Expression binary(Set<String> operators, Supplier<Expression> operand) {
        Expression left = operand.get();
        while (current().type() == Token.Type.OPERATOR
                && operators.contains(current().text())) {
            String operator = next().text();
            left = new Binary(operator, left, operand.get());
        }
        return left;
    }

    private Expression unary(boolean withFilter) {
        Expression node;
        if (current().is("-") || current().is("+")) {
            boolean isNegative = next().text().equals("-");
            node = new Sign(isNegative, deeper(() -> unary(false)));
        } else {
            node = primary();
        }
        node = postfix(node);
        return withFilter ? filters(node) : node;
    }

    private Expression primary() {
        Token token = next();
        switch (token.type()) {
            case NAME -> {
                return word(token.text());
            }
            case STRING -> {
                StringBuilder text = new StringBuilder(token.text());
                while (current().type() == Token.Type.STRING) {
                    text.append(next().text());
                }
                return new Literal(text.toString());
            }
            case NUMBER -> {
                return new Literal(token.value());
            }
            default -> {
                return bracketed(token);
            }
        }
    }

    private Expression word(String name) {
        if (TRUTH.containsKey(name)) {
            return new Literal(TRUTH.get(name));
        }
        if (name.equals("none") || name.equals("None")) {
            return new Literal(null);
        }
        names.add(name);
        return new Name(name);
    }

    private Expression bracketed(Token opening) {
        if (opening.is("(")) {
            Expression inner = current().is(")") ? new TupleDisplay(List.of()) : tuple(true);
            expect(")");
            return inner;
        }
        if (opening.is("[")) {
            return new ListDisplay(until("]", this::conditional));
        }
        if (opening.is("{")) {
            return new DictDisplay(until("}", this::pair));
        }
        throw unexpected(opening);
    }

    private DictDisplay.Pair pair() {
        Expression key = conditional();
        expect(":");
        return new DictDisplay.Pair(key, conditional());
    }

    private <T> List<T> until(String closing, Supplier<T> part) {
        List<T> parts = new ArrayList<>();
        while (!accept(closing)) {
            if (!parts.isEmpty()) {
                expect(",");
                if (accept(closing)) {
                    break;
                }
            }
            parts.add(part.get());
        }
        return parts;
    }

    private Expression postfix(Expression start) {
        Expression node = start;
        while (true) {
            if (accept(".")) {
                node = member(node);
            } else if (accept("[")) {
                node = subscript(node);
            } else if (current().is("(")) {
                node = new Call(node, arguments());
            } else {
                return node;
            }
        }
    }

    private Expression member(Expression base) {
        Token token = next();
        return switch (token.type()) {
            case NAME -> new Attribute(base, token.text());
            case NUMBER -> new Item(base, new Literal(token.value()));
            default -> throw unexpected(token);
        };
    }

    private Expression subscript(Expression base) {
        Expression start = current().is(":") ? null : conditional();
        if (accept(":")) {
            Expression stop = current().is(":") || current().is("]") ? null : conditional();
            Expression step = accept(":") && !current().is("]") ? conditional() : null;
            expect("]");
            return new Slice(base, start, stop, step);
        }
        if (start == null) {
            throw unexpected();
        }
        List<Expression> keys = new ArrayList<>(List.of(start));
        while (accept(",") && !current().is("]")) {
            keys.add(conditional());
        }
        expect("]");
        return new Item(base, keys.size() == 1 ? start : new TupleDisplay(keys));
    }

    private Expression filters(Expression start) {
        Expression node = start;
        while (true) {
            if (accept("|")) {
                node = new Filter(node, filter());
            } else if (accept("is")) {
                node = test(node);
            } else if (current().is("(")) {
                node = new Call(node, arguments());
            } else {
                return node;
            }
        }
    }

    /** One filter; its bar has been read. */
    FilterCall filter() {
        return new FilterCall(dotted(), current().is("(") ? arguments() : Arguments.NONE);
    }

    private Expression test(Expression value) {
        boolean negated = accept("not");
        String name = dotted();
        Arguments arguments = Arguments.NONE;
        if (current().is("(")) {
            arguments = arguments();
        } else if (opensOperand() && NO_ARGUMENT.stream().noneMatch(current()::is)) {
            arguments = new Arguments(
                    List.of(new Arguments.Positional(deeper(() -> postfix(primary())), false)), List.of());
        }
        Expression tested = new Test(value, name, arguments);
        return negated ? new Not(tested) : tested;
    }

    private boolean opensOperand() {
        Token.Type type = current().type();
        return type == Token.Type.NAME
                || type == Token.Type.STRING
                || type == Token.Type.NUMBER
                || current().is("(")
                || current().is("[")
                || current().is("{");
    }

    private String dotted() {
        StringBuilder name = new StringBuilder(name());
        while (accept(".")) {
            name.append('.').append(name());
        }
        return name.toString();
    }

    private Arguments arguments() {
        expect("(");
        List<Arguments.Positional> positional = new ArrayList<>();
        List<Arguments.Named> named = new ArrayList<>();
        until(")", () -> {
            boolean spreads = current().is("*") || current().is("**");
            if (accept("**")) {
                named.add(new Arguments.Named(null, conditional()));
            } else if (!spreads
                    && current().type() == Token.Type.NAME
                    && following().is("=")) {
                String name = name();
                expect("=");
                named.add(new Arguments.Named(name, conditional()));
            } else if (named.isEmpty() || spreads) {
                accept("*");
                positional.add(new Arguments.Positional(conditional(), spreads));
            } else {
                throw new UserErrorException("an argument by place follows one by name in a chat template");
            }
            return spreads;
        });
        return new Arguments(positional, named);
    }
}
