package org.finetune4j.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Optional;
import org.finetune4j.generate.TokenLogprob;
import org.finetune4j.model.TokenText;
import org.finetune4j.model.chat.ToolCalls;
import org.jspecify.annotations.Nullable;

/**
 * Answers of {@code /v1/chat/completions}.
 *
 * @param calls how the model writes calls of tools, or null where there are none or nobody knows
 * @param mostCalls how many of an answer's calls are told
 */
record ChatForm(TokenText tokens, @Nullable ToolCalls calls, int mostCalls) implements AnswerForm {

    @Override
    public String idPrefix() {
        return "chatcmpl-";
    }

    @Override
    public String object() {
        return "chat.completion";
    }

    @Override
    public String pieceObject() {
        return "chat.completion.chunk";
    }

    @Override
    public boolean continuesPrompt() {
        return false;
    }

    @Override
    public int sendable(CharSequence text) {
        return calls == null ? text.length() : calls.textLength(text.toString());
    }

    @Override
    public void choice(ObjectNode choice, String text, String finishReason, @Nullable List<TokenLogprob> logprobs) {
        ObjectNode message = choice.putObject("message");
        message.put("role", "assistant");
        boolean called = say(message, text, 0, false);
        logprobs(choice, logprobs);
        choice.put("finish_reason", called ? "tool_calls" : finishReason);
    }

    /** Writes the text from a character on, and the calls in it; says whether there are some. */
    private boolean say(ObjectNode message, String text, int from, boolean numbered) {
        Optional<ToolCalls.Parsed> parsed = calls == null ? Optional.empty() : calls.parse(text);
        if (parsed.isEmpty()) {
            message.put("content", text.substring(from));
            return false;
        }
        String before = parsed.get().text();
        if (from < before.length()) {
            message.put("content", before.substring(from));
        } else if (!numbered) {
            message.putNull("content");
        }
        ArrayNode all = message.putArray("tool_calls");
        for (ToolCalls.Call call :
                parsed.get().calls().stream().limit(mostCalls).toList()) {
            ObjectNode node = all.addObject();
            if (numbered) {
                node.put("index", all.size() - 1);
            }
            node.put("id", Identifiers.next("call_"));
            node.put("type", "function");
            ObjectNode function = node.putObject("function");
            function.put("name", call.name());
            function.put("arguments", call.arguments());
        }
        return true;
    }

    @Override
    public boolean begin(ObjectNode choice) {
        ObjectNode delta = choice.putObject("delta");
        delta.put("role", "assistant");
        delta.put("content", "");
        choice.putNull("logprobs");
        choice.putNull("finish_reason");
        return true;
    }

    @Override
    public int piece(ObjectNode choice, String text, int offset, @Nullable List<TokenLogprob> logprobs) {
        choice.putObject("delta").put("content", text);
        logprobs(choice, logprobs);
        choice.putNull("finish_reason");
        return offset;
    }

    @Override
    public void end(ObjectNode choice, String text, int sent, String finishReason) {
        ObjectNode delta = choice.putObject("delta");
        boolean called = calls != null && say(delta, text, Math.min(sent, text.length()), true);
        choice.putNull("logprobs");
        choice.put("finish_reason", called ? "tool_calls" : finishReason);
    }

    private void logprobs(ObjectNode choice, @Nullable List<TokenLogprob> logprobs) {
        if (logprobs == null) {
            choice.putNull("logprobs");
            return;
        }
        ArrayNode content = choice.putObject("logprobs").putArray("content");
        for (TokenLogprob token : logprobs) {
            ObjectNode node = token(content, token.token(), token.logprob());
            ArrayNode top = node.putArray("top_logprobs");
            token.top().forEach(candidate -> token(top, candidate.token(), candidate.logprob()));
        }
    }

    private ObjectNode token(ArrayNode array, int token, double logprob) {
        TokenText.Share share = tokens.of(token);
        ObjectNode node = array.addObject();
        node.put("token", share.text());
        node.put("logprob", logprob);
        ArrayNode bytes = node.putArray("bytes");
        for (byte each : share.bytes()) {
            bytes.add(each & 0xff);
        }
        return node;
    }
}
