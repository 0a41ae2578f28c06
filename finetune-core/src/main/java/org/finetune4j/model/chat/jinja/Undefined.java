package org.finetune4j.model.chat.jinja;

import org.finetune4j.UserErrorException;

/**
 * What a name that nothing has means to a template: empty, false, and an error as soon as anything of it is asked for.
 *
 * @param hint what is not there
 */
record Undefined(String hint) {

    UserErrorException error() {
        return new UserErrorException("the chat template needs what is not there: " + hint);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Undefined;
    }

    @Override
    public int hashCode() {
        return 0;
    }

    @Override
    public String toString() {
        return "";
    }
}
