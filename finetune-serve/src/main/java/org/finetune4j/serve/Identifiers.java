package org.finetune4j.serve;

import java.util.UUID;

/** Identifiers that nobody can guess. */
final class Identifiers {

    private Identifiers() {}

    static String next(String prefix) {
        return prefix + UUID.randomUUID().toString().replace("-", "");
    }
}
