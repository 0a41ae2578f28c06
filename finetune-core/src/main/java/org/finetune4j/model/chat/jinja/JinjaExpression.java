package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.JinjaLexer.Token;
import org.finetune4j.model.chat.jinja.JinjaLexer.Type;

/**
 * Reads expressions by Jinja2's grammar and writes them as calls of {@link TemplateRuntime}'s functions, which the renderer
 * reads in only one way: its own precedence, literals and operators are not Jinja2's.
 */
final class JinjaExpression extends TokenCursor {

    private static final Map<String, String> COMPARISONS =
            Map.of("==", "eq", "!=", "ne", "<", "lt", "<=", "le", ">", "gt", ">=", "ge");
    private static final Map<String, String> SUMS = Map.of("+", "__add", "-", "__sub");
    private static final Map<String, String> PRODUCTS =
            Map.of("*", "__mul", "/", "__div", "//", "__floordiv", "%", "__mod");
    private static final Map<String, String> POWERS = Map.of("**", "__pow");
    private static final Map<String, Object> WORDS = Map.of("true", true, "True", true, "false", false, "False", false);
    private static final Set<String> NO_ARGUMENT = Set.of("else", "or", "and");

    private final TemplateConstants constants;

    JinjaExpression(String code, TemplateConstants constants) {
        super(JinjaLexer.tokens(code));
        this.constants = constants;
    }

    /** A whole expression. */
    static String rewrite(String code, TemplateConstants constants) {
        JinjaExpression expression = new JinjaExpression(code, constants);
        String rewritten = expression.tuple(true);
        expression.end();
        return rewritten;
    }

    // -- grammar, from the loosest binding to the tightest --

    /** An expression, or several that commas make a tuple. */
    String tuple(boolean conditional) {
        Supplier<String> part = conditional ? this::conditional : this::or;
        String first = part.get();
        if (!current().is(",")) {
            return first;
        }
        List<String> parts = new ArrayList<>(List.of(first));
        while (accept(",") && !endsTuple()) {
            parts.add(part.get());
        }
        return call("__tuple", list(parts));
    }

    private boolean endsTuple() {
        return current().type() == Type.END || current().is(")") || current().is("recursive");
    }

    /** {@code a if b else c}. */
    String conditional() {
        String result = or();
        while (accept("if")) {
            String condition = or();
            String other = accept("else")
                    ? conditional()
                    : call("__undefined", constants.expression("the inline if-expression had no else"));
            result = choice(call("__truth", condition), result, other);
        }
        return result;
    }

    String or() {
        String left = and();
        return accept("or") ? choice(call("__keep", left), "__kept()", or()) : left;
    }

    private String and() {
        String left = not();
        return accept("and") ? choice(call("__keep", left), and(), "__kept()") : left;
    }

    private String not() {
        return accept("not") ? call("__not", not()) : comparison();
    }

    private String comparison() {
        String left = sum();
        String result = "";
        while (true) {
            String operator = comparisonOperator();
            if (operator.isEmpty()) {
                return result.isEmpty() ? left : result;
            }
            String right = sum();
            String compared = call("__compare", constants.expression(operator), left, right);
            result = result.isEmpty() ? compared : choice(call("__truth", result), compared, "false");
            left = right;
        }
    }

    private String comparisonOperator() {
        String operator = current().type() == Type.OPERATOR
                ? COMPARISONS.getOrDefault(current().text(), "")
                : "";
        if (!operator.isEmpty() || current().is("in")) {
            next();
            return operator.isEmpty() ? "in" : operator;
        }
        if (current().is("not") && following().is("in")) {
            next();
            next();
            return "notin";
        }
        return "";
    }

    private String sum() {
        return binary(SUMS, this::concatenation);
    }

    private String concatenation() {
        List<String> parts = new ArrayList<>(List.of(product()));
        while (accept("~")) {
            parts.add(product());
        }
        return parts.size() == 1 ? parts.get(0) : call("__concat", list(parts));
    }

    private String product() {
        return binary(PRODUCTS, this::power);
    }

    private String power() {
        return binary(POWERS, () -> unary(true));
    }

    private String binary(Map<String, String> operators, Supplier<String> operand) {
        String left = operand.get();
        while (current().type() == Type.OPERATOR
                && operators.containsKey(current().text())) {
            String function = Objects.requireNonNull(operators.get(next().text()));
            left = call(function, left, operand.get());
        }
        return left;
    }

    private String unary(boolean withFilter) {
        String node;
        if (accept("-")) {
            node = call("__neg", unary(false));
        } else if (accept("+")) {
            node = call("__pos", unary(false));
        } else {
            node = primary();
        }
        node = postfix(node);
        return withFilter ? filters(node) : node;
    }

    private String primary() {
        Token token = next();
        switch (token.type()) {
            case NAME -> {
                return word(token.text());
            }
            case STRING -> {
                StringBuilder text = new StringBuilder(token.text());
                while (current().type() == Type.STRING) {
                    text.append(next().text());
                }
                return constants.expression(text.toString());
            }
            case NUMBER -> {
                return constants.expression(token.value());
            }
            default -> {
                return bracketed(token);
            }
        }
    }

    private String word(String name) {
        if (WORDS.containsKey(name)) {
            return constants.expression(WORDS.get(name));
        }
        return name.equals("none") || name.equals("None")
                ? constants.expression(null)
                : call("__variable", constants.expression(name));
    }

    private String bracketed(Token opening) {
        if (opening.is("(")) {
            String inner = current().is(")") ? call("__tuple", "[]") : tuple(true);
            expect(")");
            return inner;
        }
        if (opening.is("[")) {
            return call("__list", list(until("]", this::conditional)));
        }
        if (opening.is("{")) {
            return call("__dict", list(until("}", this::pair)));
        }
        throw unexpected(opening);
    }

    private String pair() {
        String key = conditional();
        expect(":");
        return key + ", " + conditional();
    }

    private List<String> until(String closing, Supplier<String> part) {
        List<String> parts = new ArrayList<>();
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

    private String postfix(String start) {
        String node = start;
        while (true) {
            if (accept(".")) {
                node = member(node);
            } else if (accept("[")) {
                node = subscript(node);
            } else if (current().is("(")) {
                node = call("__call", node, arguments());
            } else {
                return node;
            }
        }
    }

    private String member(String base) {
        Token token = next();
        if (token.type() == Type.NUMBER) {
            return call("__item", base, constants.expression(token.value()));
        }
        if (token.type() != Type.NAME) {
            throw unexpected(token);
        }
        String name = constants.expression(token.text());
        return current().is("(") ? call("__method", base, name, arguments()) : call("__attribute", base, name);
    }

    private String subscript(String base) {
        List<String> bounds = new ArrayList<>();
        String bound = "";
        boolean slice = false;
        while (!accept("]")) {
            if (accept(":")) {
                slice = true;
                bounds.add(bound.isEmpty() ? constants.expression(null) : bound);
                bound = "";
            } else if (bound.isEmpty()) {
                bound = conditional();
            } else {
                throw unexpected();
            }
        }
        if (!slice) {
            if (bound.isEmpty()) {
                throw unexpected();
            }
            return call("__item", base, bound);
        }
        bounds.add(bound.isEmpty() ? constants.expression(null) : bound);
        return call("__slice", base, list(bounds));
    }

    private String filters(String start) {
        String node = start;
        while (true) {
            if (accept("|")) {
                node = filter(node);
            } else if (accept("is")) {
                node = test(node);
            } else if (current().is("(")) {
                node = call("__call", node, arguments());
            } else {
                return node;
            }
        }
    }

    /** One filter on {@code value}; its bar has been read. */
    String filter(String value) {
        String name = dotted();
        return call("__filter", constants.expression(name), value, current().is("(") ? arguments() : noArguments());
    }

    private String test(String value) {
        boolean negated = accept("not");
        String name = dotted();
        String arguments;
        if (current().is("(")) {
            arguments = arguments();
        } else if (opensOperand() && NO_ARGUMENT.stream().noneMatch(current()::is)) {
            arguments = list(List.of(postfix(primary()))) + ", " + constants.expression(List.of());
        } else {
            arguments = noArguments();
        }
        String tested = call("__is", constants.expression(name), value, arguments);
        return negated ? call("__not", tested) : tested;
    }

    private boolean opensOperand() {
        Type type = current().type();
        return type == Type.NAME
                || type == Type.STRING
                || type == Type.NUMBER
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

    private String noArguments() {
        return "[], " + constants.expression(List.of());
    }

    /** The values, those with names last, and the list of these names. */
    String arguments() {
        expect("(");
        List<String> names = new ArrayList<>();
        List<String> values = until(")", () -> {
            if (current().is("**")) {
                throw new UserErrorException("arguments from a map, '**', are not known");
            }
            if (accept("*")) {
                return call("__spread", conditional());
            }
            if (current().type() == Type.NAME && following().is("=")) {
                names.add(name());
                expect("=");
            } else if (!names.isEmpty()) {
                throw unexpected();
            }
            return conditional();
        });
        String given = list(values);
        boolean spreads = values.stream().anyMatch(value -> value.startsWith("__spread("));
        return (spreads ? call("__spreadout", given) : given) + ", " + constants.expression(List.copyOf(names));
    }

    // -- what is written --

    private static String call(String function, String... arguments) {
        return function + "(" + String.join(", ", arguments) + ")";
    }

    static String list(List<String> elements) {
        return "[" + String.join(", ", elements) + "]";
    }

    private static String choice(String condition, String then, String otherwise) {
        return "(" + condition + " ? " + then + " : " + otherwise + ")";
    }
}
