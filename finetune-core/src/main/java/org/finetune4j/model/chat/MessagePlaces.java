package org.finetune4j.model.chat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.model.chat.jinja.PythonText;

/** Where the words of messages lie in a rendered conversation: what changes in the text when they do. */
final class MessagePlaces {

    /** A text that shares neither beginning nor end with another. */
    static final String MARK = "\uFDD2";

    /**
     * A message's words.
     *
     * @param start first UTF-16 unit that depends on them
     * @param end unit after the last
     */
    record Place(int start, int end) {}

    private final List<ChatMessage> messages;
    private final String text;
    private final TemplateProbe probe;
    private final Map<Integer, Optional<Place>> found = new HashMap<>();
    private final Map<Integer, ChatMessage> changes = new HashMap<>();

    MessagePlaces(List<ChatMessage> messages, String text, TemplateProbe probe) {
        this.messages = messages;
        this.text = text;
        this.probe = probe;
    }

    /** Empty where the words do not appear, appear twice, or cannot be others. */
    Optional<Place> of(int index) {
        Optional<Place> known = found.get(index);
        Optional<Place> place = known == null ? find(index) : known;
        found.put(index, place);
        return place;
    }

    private Optional<Place> find(int index) {
        ChatMessage message = messages.get(index);
        String other = otherThan(message.content());
        Optional<Place> place = find(index, message.withContent(other), other);
        if (place.isPresent() || message.fields().get("tool_calls") == null) {
            return place;
        }
        changes.put(index, message.withCalledFunction(other));
        return find(index, changed(index), other);
    }

    /** The message with other words, which are in the same place. */
    ChatMessage changed(int index) {
        ChatMessage message = messages.get(index);
        return changes.getOrDefault(index, message.withContent(otherThan(message.content())));
    }

    private Optional<Place> find(int index, ChatMessage change, String other) {
        List<ChatMessage> changed = new ArrayList<>(messages);
        changed.set(index, change);
        Optional<String> rendered = probe.text(changed, false);
        if (rendered.isEmpty()) {
            return ownWords(PythonText.strip(messages.get(index).content()));
        }
        String changedText = rendered.get();
        int at = changedText.indexOf(other);
        if (at < 0 || changedText.indexOf(other, at + 1) >= 0) {
            return Optional.empty();
        }
        int start = 0;
        while (start < Math.min(text.length(), changedText.length())
                && text.charAt(start) == changedText.charAt(start)) {
            start++;
        }
        int end = text.length() - commonSuffix(text, changedText);
        return Optional.of(new Place(Math.min(start, end), end));
    }

    /** Where the template refuses other words: the only place where a message's own stand. */
    private Optional<Place> ownWords(String words) {
        int at = words.isEmpty() ? -1 : text.indexOf(words);
        return at < 0 || text.indexOf(words, at + 1) >= 0
                ? Optional.empty()
                : Optional.of(new Place(at, at + words.length()));
    }

    /** Where the words of the messages before one end, as far as they can be found. */
    int endBefore(int index) {
        for (int i = index - 1; i >= 0; i--) {
            Optional<Place> place = of(i);
            if (place.isPresent()) {
                return place.get().end();
            }
        }
        return 0;
    }

    static String otherThan(String content) {
        return content.equals(MARK) ? "\uFDD3" : MARK;
    }

    static int commonSuffix(String a, String b) {
        int length = 0;
        while (length < Math.min(a.length(), b.length())
                && a.charAt(a.length() - 1 - length) == b.charAt(b.length() - 1 - length)) {
            length++;
        }
        return length;
    }
}
