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
    private volatile @Nullable KnownEnd end;

    /** Rendering a template takes time, and generation asks before every text. */
    private record KnownEnd(
            @Nullable ChatTemplate trained, @Nullable AdapterDirectory adapted, OptionalInt token) {}

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

    /** Where texts end otherwise than the model's own files say: as answers of a training or of an adapter do. */
    OptionalInt adaptedEosTokenId() {
        boolean otherForm =
                trained != null || (adapted != null && adapted.chatTemplate().isPresent());
        OptionalInt end = otherForm ? answerEnd() : OptionalInt.empty();
        return end.isPresent() || adapted == null
                ? end
                : adapted.tokenizer().map(Tokenizer::eosTokenId).orElseGet(OptionalInt::empty);
    }

    OptionalInt answerEnd() {
        Tokenizer words = tokenizer();
        if (words == null) {
            return OptionalInt.empty();
        }
        KnownEnd known = end;
        if (known == null || known.trained() != trained || known.adapted() != adapted) {
            ChatTemplate form = chatTemplate().orElse(null);
            known = new KnownEnd(trained, adapted, form == null ? OptionalInt.empty() : AnswerEnd.of(form, words));
            end = known;
        }
        return known.token();
    }

    @Override
    public void close() {
        if (own != null) {
            own.close();
        }
    }
}
