package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/** Formats of strings (JSON Schema 2020-12, 7.3) as patterns. Others than these describe only. */
final class TextFormats {

    private static final String HOUR = "([01]\\d|2[0-3])";
    private static final String TIME = HOUR + ":[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]" + HOUR + ":[0-5]\\d)";
    private static final String DATE = date();
    private static final String LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    private static final String BYTE = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
    private static final String IPV4 = BYTE + "(\\." + BYTE + "){3}";
    private static final String ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}";
    private static final String HEX = "[0-9A-Fa-f]";

    /** A host's name has so many characters at most, an address's as well. */
    private static final int LONGEST_NAME = 253;

    private static final Map<String, String> PATTERNS = Map.of(
            "date-time",
            DATE + "T" + TIME,
            "date",
            DATE,
            "time",
            TIME,
            "duration",
            duration(),
            "email",
            ATOM + "(\\." + ATOM + ")*@" + LABEL + "(\\." + LABEL + ")+",
            "hostname",
            LABEL + "(\\." + LABEL + ")*",
            "ipv4",
            IPV4,
            "ipv6",
            ipv6(),
            "uuid",
            HEX + "{8}(-" + HEX + "{4}){3}-" + HEX + "{12}");

    private TextFormats() {}

    static boolean isKnown(JsonNode format) {
        return format.isTextual() && PATTERNS.containsKey(format.textValue());
    }

    /** The pattern of a format, or null of one that describes only. */
    static @Nullable String pattern(String format) {
        String pattern = PATTERNS.get(format);
        return pattern == null ? null : "^(" + pattern + ")$";
    }

    /** How many characters a text of a format has at most. */
    static int longest(String format) {
        return format.equals("hostname") || format.equals("email") ? LONGEST_NAME : Element.Repeat.ANY;
    }

    /** Days that there are, of the years 0001 to 9999. */
    private static String date() {
        String year = "(000[1-9]|00[1-9]\\d|0[1-9]\\d\\d|[1-9]\\d{3})";
        String leap = "(0[48]|[2468][048]|[13579][26])";
        return "(" + year
                + "-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))|(\\d\\d"
                + leap + "|" + leap + "00)-02-29)";
    }

    /** RFC 3339, appendix A. */
    private static String duration() {
        String number = "\\d{1,9}";
        String seconds = number + "S";
        String minutes = number + "M(" + seconds + ")?";
        String time = "T(" + number + "H(" + minutes + ")?|" + minutes + "|" + seconds + ")";
        String days = number + "D";
        String months = number + "M(" + days + ")?";
        String years = number + "Y(" + months + ")?";
        return "P((" + days + "|" + months + "|" + years + ")(" + time + ")?|" + time + "|" + number + "W)";
    }

    /** Eight groups, of which a row of zeros may be left out once; the last two may be written as of IPv4. */
    private static String ipv6() {
        String group = HEX + "{1,4}";
        String more = "(:" + group + ")";
        StringJoiner all = new StringJoiner("|");
        all.add(group + more + "{7}");
        all.add("(" + group + ":){6}" + IPV4);
        for (int before = 0; before < 8; before++) {
            String begun = before == 0 ? "::" : group + more + "{" + (before - 1) + "}::";
            all.add(before == 7 ? begun : begun + "(" + group + more + "{0," + (6 - before) + "})?");
            if (before < 6) {
                all.add(begun + "(" + group + ":){0," + (5 - before) + "}" + IPV4);
            }
        }
        return all.toString();
    }
}
