package org.finetune4j.model.chat;

import java.util.List;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.JinjaTemplate;
import org.finetune4j.model.chat.jinja.RenderSession;

/**
 * Asks a template what it writes for parts of a conversation, and for others that nobody wrote. A template may refuse those:
 * it may want roles in an order, a message of the system, an answer of a tool. All renderings see the same time, and share
 * one budget.
 */
final class TemplateProbe {

    private final ChatTemplate template;
    private final ChatOptions options;
    private final RenderSession session;

    TemplateProbe(ChatTemplate template, ChatOptions options, RenderSession session) {
        this.template = template;
        this.options = options;
        this.session = session;
    }

    /**
     * What the template writes; empty where it refuses the conversation.
     *
     * @throws UserErrorException when the renderings together would take too much time
     */
    Optional<String> text(List<ChatMessage> messages, boolean generationPrompt) {
        try {
            ChatOptions asked = options.withGenerationPrompt(generationPrompt);
            return Optional.of(JinjaTemplate.withoutMarks(template.renderMarked(messages, asked, session)));
        } catch (UserErrorException e) {
            if (session.isExhausted()) {
                throw e;
            }
            return Optional.empty();
        }
    }
}
