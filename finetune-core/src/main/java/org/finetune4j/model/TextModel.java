package org.finetune4j.model;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.ChatTemplate;
import org.jspecify.annotations.Nullable;

/** The part of a {@link CausalLM} that is words: where its files lie, its tokenizer and its chat template. */
public abstract sealed class TextModel implements AutoCloseable permits CausalLM {

    private final @Nullable Path directory;
    private final ModelText text;

    /** Takes over the tokenizer. */
    TextModel(@Nullable Path directory, @Nullable Tokenizer tokenizer) {
        this.directory = directory;
        this.text = new ModelText(directory, tokenizer);
    }

    /** {@return where the model was loaded from, or null for a new one} */
    public @Nullable Path directory() {
        return directory;
    }

    /**
     * Reads and writes texts as an adapter was trained to, with its tokenizer and its chat template, until {@link
     * #useOwnText()}.
     *
     * @param adapter what lies beside the adapter's weights; it stays the caller's
     * @throws UserErrorException when another adapter's words are in use
     */
    public void useTextOf(AdapterDirectory adapter) {
        text.useTextOf(adapter);
    }

    /** Reads and writes texts as the model alone does. */
    public void useOwnText() {
        text.useOwnText();
    }

    /**
     * Sets the form that the model is asked in from now on, such as the one that it was just trained in. It is written with
     * the model, and with adapters on it.
     *
     * @param template before those of adapters and of the model's own files, or null for theirs again
     */
    public void useChatTemplate(@Nullable ChatTemplate template) {
        text.useChatTemplate(template);
    }

    /**
     * What {@link #useChatTemplate} set.
     *
     * @return the template, or empty where those of files count
     */
    public Optional<ChatTemplate> usedChatTemplate() {
        return text.usedChatTemplate();
    }

    /**
     * The chat template that the model is used with: the one that was set, that of its adapter where it has one, else the
     * one that came with the model.
     *
     * @return the template, or empty
     * @throws UserErrorException when its file cannot be read
     */
    public Optional<ChatTemplate> chatTemplate() {
        return text.chatTemplate();
    }

    /**
     * Whether there is a tokenizer.
     *
     * @return whether texts can be used
     */
    public boolean hasTokenizer() {
        return text.tokenizer() != null;
    }

    /**
     * The tokenizer that the model is used with: that of its adapter where it has one, else the one that came with the
     * model.
     *
     * @return the tokenizer, which belongs to the model or its adapter
     * @throws UserErrorException when the model directory has none
     */
    public Tokenizer tokenizer() {
        Tokenizer current = text.tokenizer();
        if (current == null) {
            throw new UserErrorException(
                    (directory == null ? "this model" : directory) + " has no tokenizer.json: text needs a tokenizer");
        }
        return current;
    }

    /**
     * The token that ends texts in the form of a training or of an adapter, which the model's generation settings may not
     * know: what the chat template ends an answer with, else the end-of-sequence token of the adapter's own tokenizer.
     *
     * @return the id, or empty where the model is used in its own words
     */
    public OptionalInt adaptedEosTokenId() {
        return text.adaptedEosTokenId();
    }

    /**
     * The special token that the chat template ends an answer with.
     *
     * @return the id, or empty where there is no template or tokenizer, or answers end with no special token
     * @throws UserErrorException when the template's file cannot be read
     */
    public OptionalInt answerEndTokenId() {
        return text.answerEnd();
    }

    final void closeText() {
        text.close();
    }

    @Override
    public abstract void close();
}
