package org.finetune4j.model;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.ChatTemplate;
import org.jspecify.annotations.Nullable;

/**
 * The words of a model: its tokenizer and chat template, in whose place those of an adapter or of a training may stand. See the
 * methods of {@link CausalLM} of the same names.
 */
final class ModelText implements AutoCloseable {

    private final @Nullable Path directory;
    private final @Nullable Tokenizer own;
    private @Nullable AdapterDirectory adapted;
    private @Nullable ChatTemplate trained;

    /** Takes over the tokenizer. */
    ModelText(@Nullable Path directory, @Nullable Tokenizer own) {
        this.directory = directory;
        this.own = own;
    }

    void useTextOf(AdapterDirectory adapter) {
        if (adapted != null && adapted != adapter) {
            throw new UserErrorException("this model already speaks as " + adapted.path()
                    + ": disable that adapter before " + adapter.path());
        }
        adapted = adapter;
    }

    void useOwnText() {
        adapted = null;
    }

    void useChatTemplate(@Nullable ChatTemplate template) {
        trained = template;
    }

    Optional<ChatTemplate> usedChatTemplate() {
        return Optional.ofNullable(trained);
    }

    Optional<ChatTemplate> chatTemplate() {
        if (trained != null) {
            return usedChatTemplate();
        }
        Optional<ChatTemplate> beside = adapted == null ? Optional.empty() : adapted.chatTemplate();
        return beside.isPresent() || directory == null ? beside : ChatTemplate.load(directory);
    }

    @Nullable
    Tokenizer tokenizer() {
        Tokenizer beside = adapted == null ? null : adapted.tokenizer().orElse(null);
        return beside == null ? own : beside;
    }

    OptionalInt adaptedEosTokenId() {
        return adapted == null
                ? OptionalInt.empty()
                : adapted.tokenizer().map(Tokenizer::eosTokenId).orElseGet(OptionalInt::empty);
    }

    @Override
    public void close() {
        if (own != null) {
            own.close();
        }
    }
}
