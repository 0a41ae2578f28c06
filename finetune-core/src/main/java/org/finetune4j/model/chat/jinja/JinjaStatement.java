package org.finetune4j.model.chat.jinja;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.JinjaLexer.Type;
import org.jspecify.annotations.Nullable;

/**
 * Writes blocks as those of {@link TemplateTags}: the name of the block, the number of its constant where it has one, and
 * its expression. Keeps account of which blocks are open.
 */
final class JinjaStatement {

    /** A member of a namespace that is assigned to. */
    record Member(String namespace, String name) {}

    /**
     * A loop.
     *
     * @param target a name, or a list of targets
     * @param condition expression that an element must fulfil, or null
     */
    record Loop(Object target, @Nullable String condition, boolean recursive) {}

    /**
     * A macro or the body of a call.
     *
     * @param defaults expressions of the last parameters
     */
    record Signature(String name, List<String> parameters, List<String> defaults) {}

    private static final Set<String> ASSIGNABLE_NOT =
            Set.of("true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else");

    private final TemplateConstants constants;
    private final Deque<String> open = new ArrayDeque<>();

    JinjaStatement(TemplateConstants constants) {
        this.constants = constants;
    }

    /** The block that means what {@code block} means, with its braces. */
    String rewrite(String block) {
        JinjaExpression code = new JinjaExpression(block, constants);
        String keyword = code.name();
        String rewritten =
                switch (keyword) {
                    case "if" -> opened("if", "__truth(" + code.tuple(false) + ")");
                    case "elif" -> branch("elif", "__truth(" + code.tuple(false) + ")");
                    case "else" -> branch("else", "");
                    case "for" -> loop(code);
                    case "set" -> set(code);
                    case "macro" -> opened("macro", number(signature(code, code.name())));
                    case "call" -> callBlock(code);
                    case "filter" -> filterBlock(code);
                    case "with" -> with(code);
                    case "generation" -> opened("generation", "");
                    case "break", "continue" -> insideLoop(keyword);
                    default -> closing(keyword);
                };
        if (!keyword.startsWith("end")) {
            code.end();
        }
        return "{% " + rewritten + " %}";
    }

    /** Called behind the last block. */
    void finish() {
        if (!open.isEmpty()) {
            throw new UserErrorException("'" + open.peek() + "' has no end");
        }
    }

    private String opened(String name, String rest) {
        open.push(name);
        return name + " " + rest;
    }

    private String branch(String name, String rest) {
        if (!"if".equals(open.peek()) && !(name.equals("else") && "for".equals(open.peek()))) {
            throw new UserErrorException("'" + name + "' stands in no condition");
        }
        return name + " " + rest;
    }

    private String insideLoop(String keyword) {
        if (!open.contains("for")) {
            throw new UserErrorException("'" + keyword + "' stands in no loop");
        }
        return keyword;
    }

    private String closing(String keyword) {
        if (!keyword.startsWith("end")) {
            throw new UserErrorException("a block '" + keyword + "' is not known");
        }
        String block = open.poll();
        String name = block == null ? "" : block.equals("setblock") ? "set" : block;
        if (!keyword.equals("end" + name)) {
            throw new UserErrorException("'" + keyword + "' ends nothing that is open");
        }
        return "end" + block;
    }

    private String number(Object constant) {
        return String.valueOf(constants.add(constant));
    }

    private String loop(JinjaExpression code) {
        Object target = targets(code, false);
        code.expect("in");
        String elements = code.tuple(false);
        String condition = code.accept("if") ? "__truth(" + code.conditional() + ")" : null;
        boolean recursive = code.accept("recursive");
        return opened("for", number(new Loop(target, condition, recursive)) + " " + elements);
    }

    private String set(JinjaExpression code) {
        Object target = targets(code, true);
        if (code.accept("=")) {
            return "set " + number(target) + " " + code.tuple(true);
        }
        String filtered = "__variable(" + constants.expression(TemplateTags.BODY) + ")";
        while (code.accept("|")) {
            filtered = code.filter(filtered);
        }
        return opened("setblock", number(target) + " " + filtered);
    }

    /** A name, a member of a namespace, or a list of these. */
    private static Object targets(JinjaExpression code, boolean members) {
        Object first = target(code, members);
        if (!code.current().is(",")) {
            return first;
        }
        List<Object> all = new ArrayList<>(List.of(first));
        while (code.accept(",") && !code.current().is("in") && !code.current().is("=")) {
            all.add(target(code, members));
        }
        return List.copyOf(all);
    }

    private static Object target(JinjaExpression code, boolean members) {
        if (code.accept("(")) {
            Object inner = targets(code, members);
            code.expect(")");
            return inner;
        }
        if (code.current().type() == Type.NAME
                && ASSIGNABLE_NOT.contains(code.current().text())) {
            throw code.unexpected();
        }
        String name = code.name();
        return members && code.accept(".") ? new Member(name, code.name()) : name;
    }

    private static Signature signature(JinjaExpression code, String name) {
        List<String> parameters = new ArrayList<>();
        List<String> defaults = new ArrayList<>();
        code.expect("(");
        while (!code.accept(")")) {
            if (!parameters.isEmpty()) {
                code.expect(",");
                if (code.accept(")")) {
                    break;
                }
            }
            parameters.add(code.name());
            if (code.accept("=")) {
                defaults.add(code.conditional());
            } else if (!defaults.isEmpty()) {
                throw new UserErrorException("a parameter without a default follows one with a default");
            }
        }
        return new Signature(name, parameters, defaults);
    }

    private String callBlock(JinjaExpression code) {
        Signature signature =
                code.current().is("(") ? signature(code, "caller") : new Signature("caller", List.of(), List.of());
        String call = code.conditional();
        if (!call.startsWith("__call(")) {
            throw new UserErrorException("a call block calls no macro");
        }
        return opened("call", number(signature) + " __blockcall" + call.substring("__call".length()));
    }

    private String filterBlock(JinjaExpression code) {
        String filtered = "__variable(" + constants.expression(TemplateTags.BODY) + ")";
        do {
            filtered = code.filter(filtered);
        } while (code.accept("|"));
        return opened("filter", filtered);
    }

    private String with(JinjaExpression code) {
        List<Object> targets = new ArrayList<>();
        List<String> values = new ArrayList<>();
        while (code.current().type() != Type.END) {
            if (!targets.isEmpty()) {
                code.expect(",");
            }
            targets.add(target(code, false));
            code.expect("=");
            values.add(code.conditional());
        }
        return opened("with", number(List.copyOf(targets)) + " " + JinjaExpression.list(values));
    }
}
