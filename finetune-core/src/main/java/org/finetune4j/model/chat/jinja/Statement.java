package org.finetune4j.model.chat.jinja;

import java.util.List;
import java.util.Set;
import org.finetune4j.model.chat.jinja.Expression.FilterCall;
import org.jspecify.annotations.Nullable;

/** What a template does, one after the other: the nodes of its syntax tree, each with the line of its tag. */
sealed interface Statement {

    <T> T accept(Visitor<T> visitor);

    /** What is done with each kind of statement. */
    interface Visitor<T> {
        T visit(Text node);

        T visit(Output node);

        T visit(If node);

        T visit(For node);

        T visit(Assignment node);

        T visit(BlockAssignment node);

        T visit(MacroDefinition node);

        T visit(CallBlock node);

        T visit(FilterBlock node);

        T visit(With node);

        T visit(Generation node);

        T visit(Break node);

        T visit(Continue node);
    }

    /** Text between tags. */
    record Text(String text) implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** <code>{{ value }}</code>. */
    record Output(Expression value, int line) implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code if}, its {@code elif}s and {@code else}. */
    record If(List<Branch> branches, List<Statement> otherwise) implements Statement {

        /** What is done under a condition. */
        record Branch(Expression condition, List<Statement> body, int line) {}

        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /**
     * {@code for}.
     *
     * @param condition what an element must fulfil, or null
     * @param otherwise what is done where no round went through to its end
     */
    record For(
            Target target,
            Expression elements,
            @Nullable Expression condition,
            boolean isRecursive,
            List<Statement> body,
            List<Statement> otherwise,
            int line)
            implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code set} with a value. */
    record Assignment(Target target, Expression value, int line) implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code set} with the text of a block. */
    record BlockAssignment(Target target, List<FilterCall> filters, List<Statement> body, int line)
            implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code macro}. */
    record MacroDefinition(Signature signature, List<Statement> body, int line) implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code call}: the body is what the called macro calls {@code caller}. */
    record CallBlock(Expression.Call call, Signature caller, List<Statement> body, int line) implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code filter}. */
    record FilterBlock(List<FilterCall> filters, List<Statement> body, int line) implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code with}. */
    record With(List<Target> targets, List<Expression> values, List<Statement> body, int line) implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** transformers' {@code generation}: what the assistant writes. */
    record Generation(List<Statement> body) implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code break}. */
    record Break() implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code continue}. */
    record Continue() implements Statement {
        @Override
        public <T> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** What is given a value. */
    sealed interface Target {

        /** A variable. */
        record Variable(String name) implements Target {}

        /** A member of a namespace. */
        record Member(String namespace, String name) implements Target {}

        /** Several, among which the elements of the value are shared out. */
        record Several(List<Target> targets) implements Target {}
    }

    /**
     * How a macro, or the body of a call, is called.
     *
     * @param uses which of {@code caller}, {@code varargs} and {@code kwargs} its body asks for
     */
    record Signature(String name, List<Parameter> parameters, Set<String> uses) {

        /**
         * A parameter.
         *
         * @param otherwise its value where none is given, or null
         */
        record Parameter(String name, @Nullable Expression otherwise) {}
    }
}
