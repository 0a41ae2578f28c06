package org.finetune4j.model;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;

/** Turns what libraries say into the one line that users are shown. */
final class Messages {

    private static final int LONGEST = 240;

    private Messages() {}

    /** The reason in one line, with line and column when a JSON parser knows them. */
    static String oneLine(Throwable cause) {
        if (cause instanceof JsonProcessingException json) {
            JsonLocation at = json.getLocation();
            String reason = oneLine(json.getOriginalMessage());
            return at == null ? reason : reason + " (line " + at.getLineNr() + ", column " + at.getColumnNr() + ")";
        }
        String message = cause.getMessage();
        return message == null || message.isBlank() ? cause.getClass().getSimpleName() : oneLine(message);
    }

    private static String oneLine(String message) {
        String line = message.strip().replaceAll("\\s+", " ");
        return line.length() <= LONGEST ? line : line.substring(0, LONGEST) + "...";
    }
}
