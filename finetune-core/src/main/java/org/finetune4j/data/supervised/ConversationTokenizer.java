package org.finetune4j.data.supervised;

import java.util.Arrays;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.model.TokenOffsets;
import org.finetune4j.model.Tokenizer;

/**
 * Turns conversations into tokens with exact marks of what is learned: the template says where each turn lies in the
 * text, and the tokenizer which tokens lie there. The template alone decides about BOS, as in transformers, so that it
 * never comes twice. What ends a learned turn is learned too; where the template ends the last one with nothing, the
 * end-of-sequence token is added.
 */
final class ConversationTokenizer {

    private final Tokenizer tokenizer;
    private final ConversationRenderer renderer;
    private final TrainOn trainOn;

    ConversationTokenizer(Tokenizer tokenizer, ConversationRenderer renderer, TrainOn trainOn) {
        this.tokenizer = tokenizer;
        this.renderer = renderer;
        this.trainOn = trainOn;
    }

    TokenizedExample tokenize(Conversation conversation) {
        RenderedConversation rendered = renderer.render(conversation);
        TokenOffsets tokens = tokenizer.encodeWithOffsets(rendered.text());
        int[] ids = tokens.ids();
        boolean[] trained = new boolean[ids.length];
        Arrays.fill(trained, trainOn == TrainOn.ALL);
        int lastTrained = -1;
        int lastToken = -1;
        int token = 0;
        for (RenderedConversation.Span span : rendered.spans()) {
            boolean trains = trainOn.trains(conversation, span.turn());
            if (trains) {
                lastTrained = Math.max(lastTrained, span.end());
            }
            while (token < ids.length && tokens.ends()[token] <= span.start()) {
                token++;
            }
            for (int i = token; i < ids.length && tokens.starts()[i] < span.end(); i++) {
                if (tokens.overlaps(i, span.start(), span.end())) {
                    trained[i] = trains;
                    lastToken = trains ? Math.max(lastToken, i) : lastToken;
                }
            }
        }
        TokenizedExample example = new TokenizedExample(ids, trained, leading(ids));
        boolean endsWithTraining =
                lastTrained >= 0 && rendered.text().substring(lastTrained).isBlank();
        return endsWithTraining ? withEnd(example, lastToken) : example;
    }

    /**
     * Adds the end-of-sequence token, unless a special token ends the turn already.
     *
     * @param last the last token of the last answer, which blank ones of the template may follow
     */
    private TokenizedExample withEnd(TokenizedExample example, int last) {
        if (last < 0 || tokenizer.eosTokenId().isEmpty() || isSpecial(example.ids()[last])) {
            return example;
        }
        int[] ids = Arrays.copyOf(example.ids(), last + 2);
        boolean[] trained = Arrays.copyOf(example.trained(), last + 2);
        ids[last + 1] = tokenizer.eosTokenId().getAsInt();
        trained[last + 1] = true;
        return new TokenizedExample(ids, trained, example.leadingLength());
    }

    private boolean isSpecial(int id) {
        int[] token = {id};
        return tokenizer.decode(token, true).isEmpty()
                && !tokenizer.decode(token, false).isEmpty();
    }

    private int leading(int[] ids) {
        int[] leading = tokenizer.leadingSpecialTokens();
        boolean opens =
                ids.length > leading.length && Arrays.equals(ids, 0, leading.length, leading, 0, leading.length);
        return opens ? leading.length : 0;
    }
}
