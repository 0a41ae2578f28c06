package org.finetune4j.model.chat;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;

/**
 * Finds the assistant's turns in a rendered conversation. A turn starts where the rendering of everything before it, with
 * the header that asks for an answer, ends. It ends where the rendering up to it ends; a template that writes a last turn
 * otherwise than one in the middle is asked what changes in the text when only the content of the turn does.
 */
final class AssistantSpans {

    private final ChatTemplate template;
    private final List<ChatMessage> messages;
    private final ChatOptions options;

    AssistantSpans(ChatTemplate template, List<ChatMessage> messages, ChatOptions options) {
        this.template = template;
        this.messages = messages;
        this.options = options;
    }

    /** Reads the marks of a template that has its own. */
    static RenderedChat marked(String marked, List<ChatMessage> messages, String name) {
        List<Integer> assistants = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            if (messages.get(i).role().equals("assistant")) {
                assistants.add(i);
            }
        }
        StringBuilder text = new StringBuilder();
        List<RenderedChat.Span> spans = new ArrayList<>();
        int start = -1;
        for (int i = 0; i < marked.length(); i++) {
            char c = marked.charAt(i);
            if (c == TemplateTags.START) {
                start = text.length();
            } else if (c == TemplateTags.END) {
                int turn = spans.size();
                if (turn >= assistants.size()) {
                    throw new UserErrorException(
                            name + ": there are more generation blocks than assistant messages: " + assistants.size());
                }
                spans.add(new RenderedChat.Span(assistants.get(turn), start, text.length()));
            } else {
                text.append(c);
            }
        }
        return new RenderedChat(text.toString(), spans);
    }

    RenderedChat found(String text) {
        List<RenderedChat.Span> spans = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            if (messages.get(i).role().equals("assistant")) {
                int start = startOf(i, text);
                spans.add(new RenderedChat.Span(i, start, endOf(i, text, start)));
            }
        }
        return new RenderedChat(text, spans);
    }

    private int startOf(int index, String text) {
        String before = render(messages.subList(0, index), true);
        if (!text.startsWith(before)) {
            throw notPrefixPreserving(index, text, before);
        }
        return before.length();
    }

    private int endOf(int index, String text, int start) {
        String through = render(messages.subList(0, index + 1), false);
        if (text.startsWith(through) && through.length() > start) {
            return start + trimmedEnd(text.substring(start, through.length()));
        }
        return endByContent(index, text, through);
    }

    private int endByContent(int index, String text, String through) {
        List<ChatMessage> changed = new ArrayList<>(messages);
        changed.set(
                index,
                messages.get(index).withContent(otherThan(messages.get(index).content())));
        int contentEnd = text.length() - commonSuffix(text, render(changed, false));
        String throughChanged = render(changed.subList(0, index + 1), false);
        String ending = through.substring(through.length() - commonSuffix(through, throughChanged));
        if (!text.startsWith(ending, contentEnd)) {
            throw notPrefixPreserving(index, text, through);
        }
        return contentEnd + trimmedEnd(ending);
    }

    /** A text that shares neither beginning nor end with another. */
    static String otherThan(String content) {
        String candidate = "\uFDD2";
        return content.equals(candidate) ? "\uFDD3" : candidate;
    }

    /** Blanks behind the marker that ends a turn belong to the next turn; blanks alone are the marker. */
    private static int trimmedEnd(String turn) {
        int end = turn.stripTrailing().length();
        return end == 0 ? turn.length() : end;
    }

    private String render(List<ChatMessage> part, boolean generationPrompt) {
        if (part.isEmpty() && !generationPrompt) {
            return "";
        }
        return ChatTemplate.withoutMarks(template.renderMarked(part, options.withGenerationPrompt(generationPrompt)));
    }

    static int commonSuffix(String a, String b) {
        int length = 0;
        while (length < Math.min(a.length(), b.length())
                && a.charAt(a.length() - 1 - length) == b.charAt(b.length() - 1 - length)) {
            length++;
        }
        return length;
    }

    private UserErrorException notPrefixPreserving(int index, String text, String before) {
        int at = 0;
        while (at < Math.min(text.length(), before.length()) && text.charAt(at) == before.charAt(at)) {
            at++;
        }
        return new UserErrorException(template.name() + ": message " + (index + 1)
                + " changes how the messages before it are written (from character " + at
                + " on), so its tokens cannot be told apart: train on the last turn alone, or mark the answers in the"
                + " template with {% generation %}");
    }
}
