package org.finetune4j.model.chat.jinja;

import java.util.List;

/** A piece of a template's source. */
sealed interface Piece {

    /** The line it begins in, counted from 1. */
    int line();

    /** What stands between tags, white space that tags take away left out. */
    record Text(String text, int line) implements Piece {}

    /**
     * A tag.
     *
     * @param isBlock whether it is a statement, <code>{% %}</code>, and not an expression, <code>{{ }}</code>
     * @param tokens what stands between its braces, the last one the end
     */
    record Tag(boolean isBlock, List<Token> tokens, int line) implements Piece {}
}
