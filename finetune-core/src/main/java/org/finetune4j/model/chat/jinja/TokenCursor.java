package org.finetune4j.model.chat.jinja;

import java.util.List;
import org.finetune4j.UserErrorException;

/** A place in the tokens of a tag, the last of which is the end. */
abstract class TokenCursor {

    private final List<Token> tokens;
    private int at;

    TokenCursor(List<Token> tokens) {
        this.tokens = tokens;
    }

    Token current() {
        return tokens.get(at);
    }

    /** The token behind the current one. */
    Token following() {
        return tokens.get(Math.min(at + 1, tokens.size() - 1));
    }

    /** The current token, which is then behind; the last one stays. */
    Token next() {
        Token token = tokens.get(at);
        at = Math.min(at + 1, tokens.size() - 1);
        return token;
    }

    /** Goes on if the current token is this one. */
    boolean accept(String operatorOrName) {
        boolean there = current().is(operatorOrName);
        if (there) {
            next();
        }
        return there;
    }

    void expect(String operatorOrName) {
        if (!accept(operatorOrName)) {
            throw unexpected();
        }
    }

    String name() {
        if (current().type() != Token.Type.NAME) {
            throw unexpected();
        }
        return next().text();
    }

    boolean atEnd() {
        return current().type() == Token.Type.END;
    }

    void end() {
        if (!atEnd()) {
            throw unexpected();
        }
    }

    UserErrorException unexpected() {
        return unexpected(current());
    }

    static UserErrorException unexpected(Token token) {
        return new UserErrorException("unexpected '" + token.text() + "' in a chat template");
    }
}
