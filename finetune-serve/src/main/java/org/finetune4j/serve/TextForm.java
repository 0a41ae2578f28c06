package org.finetune4j.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.finetune4j.generate.TokenLogprob;
import org.finetune4j.model.TokenText;
import org.jspecify.annotations.Nullable;

/** Answers of {@code /v1/completions}. */
record TextForm(TokenText tokens) implements AnswerForm {

    @Override
    public String idPrefix() {
        return "cmpl-";
    }

    @Override
    public String object() {
        return "text_completion";
    }

    @Override
    public String pieceObject() {
        return object();
    }

    @Override
    public boolean continuesPrompt() {
        return true;
    }

    @Override
    public int sendable(CharSequence text) {
        return text.length();
    }

    @Override
    public void choice(ObjectNode choice, String text, String finishReason, @Nullable List<TokenLogprob> logprobs) {
        piece(choice, text, 0, logprobs);
        choice.put("finish_reason", finishReason);
    }

    @Override
    public boolean begin(ObjectNode choice) {
        return false;
    }

    @Override
    public int piece(ObjectNode choice, String text, int offset, @Nullable List<TokenLogprob> logprobs) {
        choice.put("text", text);
        int end = offset;
        if (logprobs == null) {
            choice.putNull("logprobs");
        } else {
            end = logprobs(choice.putObject("logprobs"), offset, logprobs);
        }
        choice.putNull("finish_reason");
        return end;
    }

    @Override
    public void end(ObjectNode choice, String text, int sent, String finishReason) {
        choice.put("text", "");
        choice.putNull("logprobs");
        choice.put("finish_reason", finishReason);
    }

    private int logprobs(ObjectNode node, int offset, List<TokenLogprob> logprobs) {
        ArrayNode texts = node.putArray("tokens");
        ArrayNode values = node.putArray("token_logprobs");
        ArrayNode likeliest = node.putArray("top_logprobs");
        ArrayNode offsets = node.putArray("text_offset");
        int at = offset;
        for (TokenLogprob token : logprobs) {
            TokenText.Share share = tokens.of(token.token());
            texts.add(name(share));
            values.add(token.logprob());
            ObjectNode top = likeliest.addObject();
            token.top().forEach(candidate -> top.put(name(tokens.of(candidate.token())), candidate.logprob()));
            offsets.add(at);
            at += share.characters();
        }
        return at;
    }

    /** As OpenAI writes tokens that are part of a character here, where there is no field for bytes. */
    private static String name(TokenText.Share share) {
        return share.isWhole() ? share.text() : "bytes:" + share.text();
    }
}
