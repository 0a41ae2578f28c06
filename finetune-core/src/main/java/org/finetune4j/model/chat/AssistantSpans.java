package org.finetune4j.model.chat;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.JinjaTemplate;
import org.finetune4j.model.chat.jinja.PythonText;

/**
 * Finds the assistant's turns in a rendered conversation. A turn starts where the rendering of everything before it, with
 * the header that asks for an answer, ends. Where a template writes history otherwise than what it asks an answer with, such
 * as without an opened thought, the turn starts behind the part of that header that stands before the answer's text. It ends
 * with what ends a turn in the middle of a conversation too.
 */
final class AssistantSpans {

    private static final String ASSISTANT = "assistant";

    private final ChatTemplate template;
    private final List<ChatMessage> messages;
    private final TemplateProbe probe;
    private final String text;
    private final MessagePlaces places;

    AssistantSpans(ChatTemplate template, List<ChatMessage> messages, TemplateProbe probe, String text) {
        this.template = template;
        this.messages = messages;
        this.probe = probe;
        this.text = text;
        this.places = new MessagePlaces(messages, text, probe);
    }

    /** Reads the marks of a template that has its own. */
    RenderedChat marked(String marked) {
        List<Integer> assistants = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            if (messages.get(i).role().equals(ASSISTANT)) {
                assistants.add(i);
            }
        }
        List<RenderedChat.Span> blocks = new ArrayList<>();
        int written = 0;
        int start = -1;
        for (int i = 0; i < marked.length(); i++) {
            char c = marked.charAt(i);
            if (c == JinjaTemplate.START) {
                start = written;
            } else if (c == JinjaTemplate.END) {
                blocks.add(new RenderedChat.Span(-1, start, written));
            } else {
                written++;
            }
        }
        List<RenderedChat.Span> spans = new ArrayList<>();
        for (int i = 0; i < blocks.size(); i++) {
            RenderedChat.Span block = blocks.get(i);
            int owner = blocks.size() == assistants.size() ? assistants.get(i) : owner(assistants, block.start());
            spans.add(new RenderedChat.Span(owner, block.start(), block.end()));
        }
        return new RenderedChat(text, spans);
    }

    /** The last assistant's message that begins before a place: the text of the message before it ends there. */
    private int owner(List<Integer> assistants, int at) {
        int owner = -1;
        for (int assistant : assistants) {
            if (owner < 0 || places.endBefore(assistant) <= at) {
                owner = assistant;
            }
        }
        if (owner < 0) {
            throw new UserErrorException(
                    template.name() + ": there are more generation blocks than assistant messages: 0");
        }
        return owner;
    }

    RenderedChat found() {
        List<RenderedChat.Span> spans = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            if (messages.get(i).role().equals(ASSISTANT)) {
                int start = startOf(i);
                int end = endOf(i, start);
                requireContent(i, start, end);
                spans.add(new RenderedChat.Span(i, start, end));
            }
        }
        return new RenderedChat(text, spans);
    }

    /** A label without the answer's text would teach to answer with nothing. */
    private void requireContent(int index, int start, int end) {
        String content = PythonText.strip(messages.get(index).content());
        if (start > end
                || (!content.isEmpty()
                        && !text.substring(start, end).contains(content)
                        && places.of(index)
                                .filter(place -> place.end() <= end && place.end() > start)
                                .isEmpty())) {
            throw refused(index, "does not appear in the text as one piece");
        }
    }

    private int startOf(int index) {
        List<ChatMessage> before = messages.subList(0, index);
        Optional<String> asked = probe.text(before, true);
        if (asked.isPresent() && text.startsWith(asked.get())) {
            return asked.get().length();
        }
        MessagePlaces.Place place =
                places.of(index).orElseThrow(() -> refused(index, "does not appear in the text as one piece"));
        String header = header(before).orElseGet(this::anyHeader);
        int from = places.endBefore(index);
        if (from > place.start()) {
            throw refused(index, "stands among the words of the message before it");
        }
        // As much of the header as stands there; the rest, such as an opened thought, is left out of history.
        for (int length = header.length(); length > 0; length--) {
            String opening = header.substring(0, length);
            if (length < header.length() && !partsAfter(header, length)) {
                continue;
            }
            int at = PythonText.isBlank(opening) ? -1 : text.lastIndexOf(opening, place.start() - length);
            if (at >= from) {
                return at + length;
            }
        }
        return place.start();
    }

    /** What the template writes behind a conversation to ask for an answer; empty where it does not say. */
    private Optional<String> header(List<ChatMessage> conversation) {
        Optional<String> asked = probe.text(conversation, true);
        Optional<String> plain = conversation.isEmpty() ? Optional.of("") : probe.text(conversation, false);
        return asked.flatMap(with -> plain.map(without -> with.substring(commonPrefix(with, without))))
                .filter(header -> !PythonText.isBlank(header));
    }

    /**
     * The same behind any conversation that the template accepts: a beginning of this one that waits for an answer, all of
     * it, or all of it with one more question.
     */
    private String anyHeader() {
        List<ChatMessage> more = new ArrayList<>(messages);
        more.add(ChatMessage.user(MessagePlaces.MARK));
        List<List<ChatMessage>> conversations = new ArrayList<>(List.of(messages, more));
        for (int end = 1; end < messages.size(); end++) {
            if (!messages.get(end - 1).role().equals(ASSISTANT)
                    && messages.get(end).role().equals(ASSISTANT)) {
                conversations.add(0, messages.subList(0, end));
                break;
            }
        }
        return conversations.stream()
                .map(this::header)
                .flatMap(Optional::stream)
                .findFirst()
                .orElse("");
    }

    /** Whether a marker, word or line of the header ends there, so that no token is cut in two. */
    private static boolean partsAfter(String header, int length) {
        return ">]:\n".indexOf(header.charAt(length - 1)) >= 0 || " \n<[".indexOf(header.charAt(length)) >= 0;
    }

    private int endOf(int index, int start) {
        Optional<String> through = through(index);
        if (through.isEmpty()) {
            return endByOthers(index);
        }
        int length = through.get().length();
        if (text.startsWith(through.get()) && length > start) {
            int written = beforeOpening(index, start, start + trimmedEnd(text.substring(start, length)));
            return index == messages.size() - 1 ? Math.min(written, endInTheMiddle(index, written)) : written;
        }
        return endByContent(index, through.get());
    }

    private Optional<String> through(int index) {
        return probe.text(messages.subList(0, index + 1), false);
    }

    /**
     * Where a template refuses a conversation that ends with this answer, such as with a call that no tool has answered: what
     * ends another answer ends this one, if it stands before the next message's words.
     */
    private int endByOthers(int index) {
        MessagePlaces.Place place =
                places.of(index).orElseThrow(() -> refused(index, "does not appear in the text as one piece"));
        int limit = index + 1 < messages.size()
                ? places.of(index + 1).map(MessagePlaces.Place::start).orElse(text.length())
                : text.length();
        for (int other = messages.size() - 1; other >= 0; other--) {
            Optional<MessagePlaces.Place> words = places.of(other);
            if (other == index
                    || words.isEmpty()
                    || !messages.get(other).role().equals(ASSISTANT)
                    || callsTools(other)
                    || through(other).isEmpty()) {
                continue;
            }
            int end = endOf(other, startOf(other));
            String ending = words.get().end() < end ? text.substring(words.get().end(), end) : "";
            int at = PythonText.isBlank(ending) ? -1 : text.indexOf(ending, place.end());
            if (at >= 0 && at + ending.length() <= limit) {
                return at + ending.length();
            }
        }
        return endByOpening(index, place.end());
    }

    /** A template may open the next message at once: that is not the turn's. */
    private int beforeOpening(int index, int start, int written) {
        String opening = opening();
        if (opening.isEmpty()
                || callsTools(index)
                || text.substring(start, written).lastIndexOf(opening) <= 0) {
            return written;
        }
        int from = places.of(index).map(MessagePlaces.Place::end).orElse(written);
        int at = text.indexOf(opening, from);
        return at < 0 || at >= written ? written : from + trimmedEnd(text.substring(from, at));
    }

    /** A template may write more behind the last turn than behind another: that is not the turn's. */
    private int endInTheMiddle(int index, int written) {
        Optional<MessagePlaces.Place> place = places.of(index);
        if (place.isEmpty() || place.get().end() > written) {
            return written;
        }
        List<ChatMessage> longer = new ArrayList<>(messages);
        longer.add(ChatMessage.user(MessagePlaces.MARK));
        String ending = text.substring(place.get().end(), written);
        Optional<String> more = probe.text(longer, false);
        longer.set(
                index,
                messages.get(index)
                        .withContent(MessagePlaces.otherThan(messages.get(index).content())));
        Optional<String> changed = more.flatMap(accepted -> probe.text(longer, false));
        if (more.isEmpty() || changed.isEmpty()) {
            // The template refuses another message here.
            return written;
        }
        int end = more.get().length() - MessagePlaces.commonSuffix(more.get(), changed.get());
        String shared = shared(index, ending, more.get().substring(end));
        return PythonText.isBlank(shared) ? written : place.get().end() + trimmedEnd(shared);
    }

    private int endByContent(int index, String through) {
        MessagePlaces.Place place =
                places.of(index).orElseThrow(() -> refused(index, "does not appear in the text as one piece"));
        List<ChatMessage> changed = new ArrayList<>(messages.subList(0, index + 1));
        changed.set(index, places.changed(index));
        Optional<String> other = probe.text(changed, false);
        if (other.isEmpty()) {
            return endByOpening(index, place.end());
        }
        String ending = through.substring(through.length() - MessagePlaces.commonSuffix(through, other.get()));
        String shared = shared(index, ending, text.substring(place.end()));
        if (PythonText.isBlank(shared) && !PythonText.isBlank(ending)) {
            return endByOpening(index, place.end());
        }
        return place.end() + trimmedEnd(shared);
    }

    /** Where the marker that opens a message comes next, the turn has ended, if no other message's words stand between. */
    private int endByOpening(int index, int from) {
        String opening = opening();
        int at = opening.isEmpty() || callsTools(index) ? -1 : text.indexOf(opening, from);
        Optional<MessagePlaces.Place> next = index + 1 < messages.size() ? places.of(index + 1) : Optional.empty();
        if (at < 0 || next.isEmpty() || at > next.get().start()) {
            throw refused(index, "ends otherwise where another message follows it");
        }
        return from + trimmedEnd(text.substring(from, at));
    }

    /** The calls of one turn may be written as messages of their own. */
    private boolean callsTools(int index) {
        return messages.get(index).fields().get("tool_calls") != null;
    }

    /** The marker that the conversation begins with behind BOS; empty where it begins with no marker. */
    private String opening() {
        String conversation = PythonText.stripLeading(template.withoutBos(text));
        if (!conversation.startsWith("<") && !conversation.startsWith("[")) {
            return "";
        }
        int end = conversation.indexOf(conversation.charAt(0) == '<' ? '>' : ']');
        return end < 0 ? "" : conversation.substring(0, end + 1);
    }

    /** What two texts begin with; where they part, no more than up to the end of a marker or line. */
    private String shared(int index, String ending, String following) {
        int length = commonPrefix(ending, following);
        if (length < ending.length()) {
            while (length > 0 && ">]\n".indexOf(ending.charAt(length - 1)) < 0) {
                length--;
            }
        }
        String shared = ending.substring(0, length);
        String opening = opening();
        int next = opening.isEmpty() ? -1 : shared.indexOf(opening);
        // Further calls of the same turn may open with the same marker.
        boolean opensAnother = next >= 0 && (!callsTools(index) || shared.endsWith(opening));
        return opensAnother ? shared.substring(0, callsTools(index) ? shared.lastIndexOf(opening) : next) : shared;
    }

    /** Blanks behind the marker that ends a turn belong to the next turn; blanks alone are the marker. */
    private static int trimmedEnd(String turn) {
        int end = turn.stripTrailing().length();
        return end == 0 ? turn.length() : end;
    }

    private static int commonPrefix(String a, String b) {
        int length = 0;
        while (length < Math.min(a.length(), b.length()) && a.charAt(length) == b.charAt(length)) {
            length++;
        }
        return length;
    }

    private UserErrorException refused(int index, String why) {
        return new UserErrorException(template.name() + ": the answer in message " + (index + 1) + " " + why
                + ", so its tokens cannot be told apart: train on another turn alone, or mark the answers in the"
                + " template with {% generation %}");
    }
}
