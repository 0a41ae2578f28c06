package org.finetune4j.model.chat.jinja;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What has a value: the nodes of an expression's syntax tree. */
sealed interface Expression {

    <T extends @Nullable Object> T accept(Visitor<T> visitor);

    /** What is done with each kind of expression. */
    interface Visitor<T extends @Nullable Object> {
        T visit(Literal node);

        T visit(Name node);

        T visit(ListDisplay node);

        T visit(TupleDisplay node);

        T visit(DictDisplay node);

        T visit(Attribute node);

        T visit(Item node);

        T visit(Slice node);

        T visit(Call node);

        T visit(Filter node);

        T visit(Test node);

        T visit(Sign node);

        T visit(Binary node);

        T visit(Concatenation node);

        T visit(Comparison node);

        T visit(Not node);

        T visit(And node);

        T visit(Or node);

        T visit(Conditional node);
    }

    /** A text, number, truth value or none, as it is written. */
    record Literal(@Nullable Object value) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** A variable. */
    record Name(String name) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code [a, b]}. */
    record ListDisplay(List<Expression> elements) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code (a, b)}. */
    record TupleDisplay(List<Expression> elements) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** <code>{a: b}</code>. */
    record DictDisplay(List<Pair> pairs) implements Expression {

        /** A key with its value. */
        record Pair(Expression key, Expression value) {}

        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code base.name}. */
    record Attribute(Expression base, String name) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code base[key]}. */
    record Item(Expression base, Expression key) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code base[start:stop:step]}. */
    record Slice(
            Expression base,
            @Nullable Expression start,
            @Nullable Expression stop,
            @Nullable Expression step) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code function(arguments)}. */
    record Call(Expression function, Arguments arguments) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code value | filter(arguments)}. */
    record Filter(Expression value, FilterCall filter) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code value is name(arguments)}. */
    record Test(Expression value, String name, Arguments arguments) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code -value} or {@code +value}. */
    record Sign(boolean isNegative, Expression value) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code a + b} and the other operators of arithmetic. */
    record Binary(String operator, Expression left, Expression right) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code a ~ b ~ c}. */
    record Concatenation(List<Expression> parts) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code a < b <= c}: every value is worked out once. */
    record Comparison(Expression first, List<Operand> others) implements Expression {

        /** What a value is compared with, and how. */
        record Operand(String operator, Expression value) {}

        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code not value}. */
    record Not(Expression value) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code a and b}. */
    record And(Expression left, Expression right) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** {@code a or b}. */
    record Or(Expression left, Expression right) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /**
     * {@code a if b else c}.
     *
     * @param otherwise null where nothing is said
     */
    record Conditional(
            Expression condition, Expression then, @Nullable Expression otherwise) implements Expression {
        @Override
        public <T extends @Nullable Object> T accept(Visitor<T> visitor) {
            return visitor.visit(this);
        }
    }

    /** A filter with what it is given beside its value. */
    record FilterCall(String name, Arguments arguments) {}

    /**
     * The arguments of a call.
     *
     * @param named in the order they are written; behind those by place
     */
    record Arguments(List<Positional> positional, List<Named> named) {

        static final Arguments NONE = new Arguments(List.of(), List.of());

        /** An argument by its place, or with {@code *} a list of these. */
        record Positional(Expression value, boolean isSpread) {}

        /** An argument by its name; with {@code **}, a map of these, it has none. */
        record Named(@Nullable String name, Expression value) {}
    }
}
