package org.finetune4j.model.chat.jinja;

import org.jspecify.annotations.Nullable;

/** What a template can call: a function, a macro, a method of a value. */
@FunctionalInterface
interface TemplateCallable {

    @Nullable
    Object call(TemplateArguments given);
}
