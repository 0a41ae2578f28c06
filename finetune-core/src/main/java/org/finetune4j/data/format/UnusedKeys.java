package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.base.CharMatcher;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.finetune4j.data.RecordFields;

/** Names the keys of records and of the messages in them that nothing reads. */
final class UnusedKeys {

    private UnusedKeys() {}

    /**
     * The keys that are not read, with the known key that each may stand for; keys of messages as {@code messages[].id}.
     *
     * @param record a record without nulls
     * @param known the keys that its format reads
     */
    static Set<String> of(JsonNode record, Collection<String> known) {
        Set<String> unused = new LinkedHashSet<>();
        record.properties().forEach(field -> {
            String key = field.getKey();
            if (known.contains(key)) {
                ofMessages(field.getValue(), key, unused::add);
            } else {
                unused.add(RecordFields.shortened(key)
                        + misspelt(key, known)
                                .filter(meant -> !record.has(meant))
                                .map(meant -> " (did you mean '" + meant + "'?)")
                                .orElse(""));
            }
        });
        return unused;
    }

    private static void ofMessages(JsonNode value, String key, Consumer<String> unused) {
        for (JsonNode message : value.isArray() ? value : List.of(value)) {
            if (!message.isObject() || MessageReader.role(message) == null) {
                continue;
            }
            message.properties().forEach(field -> {
                if (!field.getValue().isNull() && !MessageReader.KEYS.contains(field.getKey())) {
                    unused.accept(key + "[]." + RecordFields.shortened(field.getKey()));
                }
            });
            if (!Turn.ASSISTANT.equals(MessageReader.role(message)) && MessageReader.asksToBeLearned(message)) {
                unused.accept(key + "[]: a message of the " + MessageReader.role(message)
                        + " asks to be learned, only the assistant's are");
            }
        }
    }

    /**
     * The known key that is written otherwise: with other separators, a letter too many or too few, or in
     * another order.
     */
    static Optional<String> misspelt(String key, Collection<String> known) {
        String letters = letters(RecordFields.shortened(key));
        return known.stream()
                .filter(candidate -> {
                    String other = letters(candidate);
                    return letters.equals(other)
                            || lacksOneLetter(letters, other)
                            || lacksOneLetter(other, letters)
                            || (letters.length() > 3 && sorted(letters).equals(sorted(other)));
                })
                .sorted()
                .findFirst();
    }

    private static String letters(String key) {
        return CharMatcher.anyOf("_- ").removeFrom(key.toLowerCase(Locale.ROOT));
    }

    private static boolean lacksOneLetter(String shorter, String longer) {
        if (shorter.length() < 4 || longer.length() != shorter.length() + 1) {
            return false;
        }
        int same = 0;
        while (same < shorter.length() && shorter.charAt(same) == longer.charAt(same)) {
            same++;
        }
        return shorter.substring(same).equals(longer.substring(same + 1));
    }

    private static String sorted(String text) {
        char[] letters = text.toCharArray();
        Arrays.sort(letters);
        return new String(letters);
    }
}
