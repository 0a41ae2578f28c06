package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.Expression.FilterCall;
import org.finetune4j.model.chat.jinja.Statement.Signature;
import org.finetune4j.model.chat.jinja.Statement.Target;
import org.jspecify.annotations.Nullable;

/** Reads a template's pieces as statements, by Jinja2's grammar with {@code loopcontrols} and {@code generation}. */
final class TemplateParser {

    private static final int MAX_DEPTH = 100;
    private static final Set<String> OF_MACROS = Set.of("caller", "varargs", "kwargs");
    private static final Set<String> RESERVED =
            Set.of("true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else");

    private final List<Piece> pieces;
    private int at;
    private int line = 1;
    private int depth;
    private int loops;
    private Set<String> names = new HashSet<>();

    private TemplateParser(List<Piece> pieces) {
        this.pieces = pieces;
    }

    /**
     * The statements of a template.
     *
     * @throws UserErrorException when Jinja2 would not read it either, or a block is not known, with the line
     */
    static List<Statement> parse(List<Piece> pieces) {
        TemplateParser parser = new TemplateParser(pieces);
        try {
            Body body = parser.body("template", Set.of());
            return body.statements;
        } catch (UserErrorException e) {
            throw new UserErrorException("line " + parser.line + ": " + e.getMessage(), e);
        }
    }

    /** Statements up to a tag that ends them. */
    private record Body(List<Statement> statements, String end, ExpressionParser tag) {}

    /**
     * Statements up to one of {@code ends}, or up to the end of the template where there are none.
     *
     * @param opened the block that is read, for messages
     */
    private Body body(String opened, Set<String> ends) {
        int opening = line;
        if (++depth > MAX_DEPTH) {
            throw RenderBudget.tooDeep();
        }
        List<Statement> statements = new ArrayList<>();
        while (at < pieces.size()) {
            Piece piece = pieces.get(at++);
            line = piece.line();
            if (piece instanceof Piece.Text text) {
                statements.add(new Statement.Text(text.text()));
                continue;
            }
            Piece.Tag tag = (Piece.Tag) piece;
            ExpressionParser code = new ExpressionParser(tag.tokens(), names);
            if (!tag.isBlock()) {
                statements.add(new Statement.Output(code.tuple(true), line));
                code.end();
                continue;
            }
            String keyword = code.name();
            if (ends.contains(keyword)) {
                depth--;
                return new Body(statements, keyword, code);
            }
            statements.add(statement(keyword, code));
        }
        if (!ends.isEmpty()) {
            line = opening;
            throw new UserErrorException("'" + opened + "' has no end in a chat template");
        }
        return new Body(statements, "", new ExpressionParser(List.of(new Token(Token.Type.END, "", null)), names));
    }

    /** The statements of a block with one end. */
    private List<Statement> block(String keyword, ExpressionParser code) {
        code.end();
        Body body = body(keyword, Set.of("end" + keyword));
        // Behind the keyword that ends a block Jinja2 wants nothing.
        body.tag.end();
        return body.statements;
    }

    private Statement statement(String keyword, ExpressionParser code) {
        int tag = line;
        return switch (keyword) {
            case "if" -> condition(code);
            case "for" -> loop(code);
            case "set" -> assignment(code);
            case "print" -> ended(new Statement.Output(code.tuple(true), tag), code);
            case "macro" -> macro(code);
            case "call" -> callBlock(code);
            case "filter" -> {
                List<FilterCall> filters = new ArrayList<>(List.of(code.filter()));
                while (code.accept("|")) {
                    filters.add(code.filter());
                }
                yield new Statement.FilterBlock(filters, block(keyword, code), tag);
            }
            case "with" -> with(code);
            case "generation" -> new Statement.Generation(function(() -> block(keyword, code)));
            case "break", "continue" -> {
                if (loops == 0) {
                    throw new UserErrorException("'" + keyword + "' stands in no loop in a chat template");
                }
                yield ended(keyword.equals("break") ? new Statement.Break() : new Statement.Continue(), code);
            }
            default ->
                throw new UserErrorException(
                        keyword.startsWith("end") || keyword.startsWith("el")
                                ? "'" + keyword + "' ends nothing that is open in a chat template"
                                : "a block '" + keyword + "' in a chat template is not known");
        };
    }

    private static Statement ended(Statement statement, ExpressionParser code) {
        code.end();
        return statement;
    }

    private Statement condition(ExpressionParser code) {
        List<Statement.If.Branch> branches = new ArrayList<>();
        ExpressionParser tag = code;
        while (true) {
            int branchLine = line;
            Expression condition = tag.tuple(false);
            tag.end();
            Body body = body("if", Set.of("elif", "else", "endif"));
            branches.add(new Statement.If.Branch(condition, body.statements, branchLine));
            tag = body.tag;
            if (!body.end.equals("elif")) {
                tag.end();
                return new Statement.If(branches, body.end.equals("else") ? otherwise("endif") : List.of());
            }
        }
    }

    private List<Statement> otherwise(String end) {
        Body body = body("else", Set.of(end));
        body.tag.end();
        return body.statements;
    }

    private Statement loop(ExpressionParser code) {
        int tag = line;
        Target target = targets(code, false);
        code.expect("in");
        Expression elements = code.tuple(false);
        Expression condition = code.accept("if") ? code.conditional() : null;
        boolean isRecursive = code.accept("recursive");
        code.end();
        loops++;
        Body body = body("for", Set.of("else", "endfor"));
        loops--;
        body.tag.end();
        List<Statement> otherwise = body.end.equals("else") ? otherwise("endfor") : List.of();
        return new Statement.For(target, elements, condition, isRecursive, body.statements, otherwise, tag);
    }

    private Statement assignment(ExpressionParser code) {
        int tag = line;
        Target target = targets(code, true);
        if (code.accept("=")) {
            return ended(new Statement.Assignment(target, code.tuple(true), tag), code);
        }
        List<FilterCall> filters = new ArrayList<>();
        while (code.accept("|")) {
            filters.add(code.filter());
        }
        return new Statement.BlockAssignment(target, filters, block("set", code), tag);
    }

    private Statement with(ExpressionParser code) {
        int tag = line;
        List<Target> targets = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!code.atEnd()) {
            if (!targets.isEmpty()) {
                code.expect(",");
            }
            targets.add(target(code, false));
            code.expect("=");
            values.add(code.conditional());
        }
        return new Statement.With(targets, values, block("with", code), tag);
    }

    private Statement macro(ExpressionParser code) {
        int tag = line;
        String name = code.name();
        List<Signature.Parameter> parameters = parameters(code);
        NamedBody body = named(() -> block("macro", code));
        return new Statement.MacroDefinition(new Signature(name, parameters, body.uses), body.statements, tag);
    }

    private Statement callBlock(ExpressionParser code) {
        int tag = line;
        List<Signature.Parameter> parameters = code.current().is("(") ? parameters(code) : List.of();
        if (!(code.conditional() instanceof Expression.Call call)) {
            throw new UserErrorException("a call block calls no macro in a chat template");
        }
        NamedBody body = named(() -> block("call", code));
        return new Statement.CallBlock(call, new Signature("caller", parameters, body.uses), body.statements, tag);
    }

    @FunctionalInterface
    private interface Reading {
        List<Statement> read();
    }

    private record NamedBody(List<Statement> statements, Set<String> uses) {}

    /** A body with those of a macro's own names that it asks for. */
    private NamedBody named(Reading reading) {
        Set<String> around = names;
        names = new HashSet<>();
        List<Statement> statements = function(reading);
        Set<String> uses = new HashSet<>(names);
        uses.retainAll(OF_MACROS);
        around.addAll(names);
        names = around;
        return new NamedBody(statements, uses);
    }

    /** A body that no loop around it can be left from. */
    private List<Statement> function(Reading reading) {
        int around = loops;
        loops = 0;
        List<Statement> statements = reading.read();
        loops = around;
        return statements;
    }

    private static List<Signature.Parameter> parameters(ExpressionParser code) {
        List<Signature.Parameter> parameters = new ArrayList<>();
        code.expect("(");
        while (!code.accept(")")) {
            if (!parameters.isEmpty()) {
                code.expect(",");
                if (code.accept(")")) {
                    break;
                }
            }
            String name = code.name();
            @Nullable Expression otherwise = code.accept("=") ? code.conditional() : null;
            boolean defaultsBegan = !parameters.isEmpty()
                    && parameters.get(parameters.size() - 1).otherwise() != null;
            if (otherwise == null && defaultsBegan) {
                throw new UserErrorException(
                        "a parameter without a default follows one with a default in a chat template");
            }
            parameters.add(new Signature.Parameter(name, otherwise));
        }
        return parameters;
    }

    /** A name, a member of a namespace, or several of these. */
    private Target targets(ExpressionParser code, boolean members) {
        Target first = target(code, members);
        if (!code.current().is(",")) {
            return first;
        }
        List<Target> all = new ArrayList<>(List.of(first));
        while (code.accept(",")
                && !code.current().is("in")
                && !code.current().is("=")
                && !code.current().is(")")) {
            all.add(target(code, members));
        }
        return new Target.Several(all);
    }

    private Target target(ExpressionParser code, boolean members) {
        if (code.accept("(")) {
            if (++depth > MAX_DEPTH) {
                throw RenderBudget.tooDeep();
            }
            Target inner = targets(code, members);
            depth--;
            code.expect(")");
            return inner;
        }
        if (code.current().type() == Token.Type.NAME
                && RESERVED.contains(code.current().text())) {
            throw code.unexpected();
        }
        String name = code.name();
        return members && code.accept(".") ? new Target.Member(name, code.name()) : new Target.Variable(name);
    }
}
