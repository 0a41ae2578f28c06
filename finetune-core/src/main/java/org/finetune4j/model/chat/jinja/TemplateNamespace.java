package org.finetune4j.model.chat.jinja;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** {@code namespace()}: the one thing whose members a template can assign to. */
record TemplateNamespace(Map<String, @Nullable Object> members) {

    TemplateNamespace {
        members = new LinkedHashMap<>(members);
    }
}
