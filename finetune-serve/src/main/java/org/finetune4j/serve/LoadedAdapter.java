package org.finetune4j.serve;

import java.util.Optional;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.strategy.PooledAdapter;
import org.jspecify.annotations.Nullable;

/** One version of an adapter in memory. The store that made it guards its counts. */
final class LoadedAdapter {

    private final PooledAdapter adapter;
    private final AdapterFolder.Fingerprint version;
    private final @Nullable ChatTemplate template;
    private final Object identity = new Object();
    int users;
    long lastUse;
    boolean retired;

    LoadedAdapter(PooledAdapter adapter, AdapterFolder.Fingerprint version, @Nullable ChatTemplate template) {
        this.adapter = adapter;
        this.version = version;
        this.template = template;
    }

    PooledAdapter adapter() {
        return adapter;
    }

    /** Equal to itself alone, and to be kept by whoever must tell versions apart for longer than they are in memory. */
    Object identity() {
        return identity;
    }

    AdapterFolder.Fingerprint version() {
        return version;
    }

    /** The form that the adapter was trained in, where it is its own. */
    Optional<ChatTemplate> template() {
        return Optional.ofNullable(template);
    }
}
