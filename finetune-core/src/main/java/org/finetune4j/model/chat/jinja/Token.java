package org.finetune4j.model.chat.jinja;

import org.jspecify.annotations.Nullable;

/**
 * The smallest part of what stands between the braces of a tag.
 *
 * @param text as written; of a text what it stands for
 * @param value of a number
 */
record Token(Type type, String text, @Nullable Object value) {

    enum Type {
        NAME,
        STRING,
        NUMBER,
        OPERATOR,
        END
    }

    boolean is(String operatorOrName) {
        return (type == Type.OPERATOR || type == Type.NAME) && text.equals(operatorOrName);
    }
}
