package org.finetune4j.train;

import java.util.Locale;

/** Why a run ended. */
public enum EndReason {

    /** All steps are done. */
    COMPLETED,

    /** Evaluations got no better for as long as the arguments allow. */
    EARLY_STOPPING,

    /** The source of its steps saw the model collapse: going on would have made it worse. */
    COLLAPSED,

    /** Somebody asked it to stop; it can be resumed. */
    INTERRUPTED;

    /**
     * The name that files use.
     *
     * @return for example {@code early_stopping}
     */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The reason of this key.
     *
     * @param key from {@link #key}
     * @return the reason; {@link #COMPLETED} for a key that is not known
     */
    public static EndReason ofKey(String key) {
        for (EndReason reason : values()) {
            if (reason.key().equals(key)) {
                return reason;
            }
        }
        return COMPLETED;
    }
}
