package org.finetune4j.model.chat;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import java.time.ZonedDateTime;
import java.time.format.TextStyle;
import java.util.Locale;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** The functions that transformers gives to chat templates. */
public final class TemplateFunctions {

    static final String NOW = "__now";

    private TemplateFunctions() {}

    /** {@code raise_exception(message)}: the template refuses the conversation. */
    public static String raiseException(@Nullable Object message) {
        throw new UserErrorException("the chat template refuses the conversation: " + PythonText.str(message));
    }

    /** {@code strftime_now(format)}: the present time. */
    public static String strftimeNow(String format) {
        Object now = JinjavaInterpreter.getCurrent().getContext().get(NOW);
        ZonedDateTime time = now instanceof ZonedDateTime given ? given : ZonedDateTime.now();
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c == '%' && i + 1 < format.length()) {
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
            case '%' -> "%";
            default -> throw new UserErrorException("the chat template asks for the time as %" + code);
        };
    }

    private static String two(int number) {
        return String.format(Locale.ROOT, "%02d", number);
    }
}
