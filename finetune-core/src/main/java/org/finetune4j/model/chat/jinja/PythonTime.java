package org.finetune4j.model.chat.jinja;

import java.time.ZonedDateTime;
import java.time.format.TextStyle;
import java.util.Locale;
import org.finetune4j.UserErrorException;

/** Python's {@code strftime}, for a time without a zone, as {@code now()} is. */
final class PythonTime {

    private PythonTime() {}

    static String format(ZonedDateTime time, String format) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c == '%' && format.startsWith("-", i + 1) && i + 2 < format.length()) {
                i += 2;
                String field = field(time, format.charAt(i)).strip(); // %e is filled up with a blank
                out.append(field.length() > 1 && field.startsWith("0") ? field.replaceFirst("^0+(?=.)", "") : field);
            } else if (c == '%' && i + 1 < format.length()) {
                out.append(field(time, format.charAt(++i)));
            } else {
                out.append(c);
            }
        }
        return out.toString();
    }

    private static String field(ZonedDateTime time, char code) {
        return switch (code) {
            case 'd' -> two(time.getDayOfMonth());
            case 'm' -> two(time.getMonthValue());
            case 'y' -> two(time.getYear() % 100);
            case 'Y' -> String.valueOf(time.getYear());
            case 'H' -> two(time.getHour());
            case 'M' -> two(time.getMinute());
            case 'S' -> two(time.getSecond());
            case 'b' -> time.getMonth().getDisplayName(TextStyle.SHORT, Locale.US);
            case 'B' -> time.getMonth().getDisplayName(TextStyle.FULL, Locale.US);
            case 'a' -> time.getDayOfWeek().getDisplayName(TextStyle.SHORT, Locale.US);
            case 'A' -> time.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.US);
            case 'e' -> String.format(Locale.ROOT, "%2d", time.getDayOfMonth());
            case 'I' -> two((time.getHour() + 11) % 12 + 1);
            case 'p' -> time.getHour() < 12 ? "AM" : "PM";
            case 'j' -> String.format(Locale.ROOT, "%03d", time.getDayOfYear());
            case 'u' -> String.valueOf(time.getDayOfWeek().getValue());
            case 'w' -> String.valueOf(time.getDayOfWeek().getValue() % 7);
            case 'D', 'x' -> field(time, 'm') + "/" + field(time, 'd') + "/" + field(time, 'y');
            case 'F' -> field(time, 'Y') + "-" + field(time, 'm') + "-" + field(time, 'd');
            case 'T', 'X' -> field(time, 'H') + ":" + field(time, 'M') + ":" + field(time, 'S');
            case 'R' -> field(time, 'H') + ":" + field(time, 'M');
            // Python's now() knows no time zone.
            case 'Z', 'z' -> "";
            case 'n' -> "\n";
            case 't' -> "\t";
            case '%' -> "%";
            default -> throw new UserErrorException("the chat template asks for the time as %" + code);
        };
    }

    private static String two(int number) {
        return String.format(Locale.ROOT, "%02d", number);
    }
}
