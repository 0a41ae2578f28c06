package org.finetune4j.verify;

import java.util.Locale;

/**
 * One recorded quantity, recomputed.
 *
 * @param name its name in the golden file
 * @param difference the largest difference, or NaN where there is none to give
 * @param limit the largest difference that passes
 * @param passed whether it is within the limit
 * @param note what else there is to say, or empty
 */
public record Check(String name, double difference, double limit, boolean passed, String note) {

    /**
     * A difference against its limit.
     *
     * @param name of the quantity
     * @param difference the largest
     * @param limit the largest that passes
     * @param note what else there is to say, or empty
     * @return the check; what is no number does not pass
     */
    public static Check within(String name, double difference, double limit, String note) {
        return new Check(name, difference, limit, difference <= limit, note);
    }

    static Check equality(String name, boolean equal, String note) {
        return new Check(name, equal ? 0 : 1, 0, equal, note);
    }

    /**
     * What could not be computed.
     *
     * @param name of the quantity
     * @param note why
     * @return a check that did not pass
     */
    public static Check failed(String name, String note) {
        return new Check(name, Double.NaN, 0, false, note);
    }

    /** One line for people: verdict, name, largest difference, limit. */
    @Override
    public String toString() {
        String numbers = String.format(Locale.ROOT, "%-9.3g limit %.3g", difference, limit);
        return (passed ? "ok        " : "MISMATCH  ") + name + "  " + numbers + (note.isEmpty() ? "" : "  " + note);
    }
}
