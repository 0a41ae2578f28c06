package org.finetune4j.rlhf.rewards;

import org.finetune4j.Json;
import org.finetune4j.UserErrorException;

/** 1 for an answer of a certain form, 0 for any other. */
public enum FormatReward implements RewardFunction {

    /** Begins with one block {@code <think>...</think>}; TRL's {@code think_format_reward}. */
    THINK {
        @Override
        boolean accepts(String text) {
            String open = "<think>";
            int end = text.indexOf("</think>");
            return text.startsWith(open) && text.lastIndexOf(open) == 0 && end > 0;
        }
    },

    /** One block {@code <think>...</think>}, then one {@code <answer>...</answer>}, and nothing else but white space. */
    THINK_ANSWER {
        @Override
        boolean accepts(String text) {
            String stripped = text.strip();
            int think = stripped.indexOf("</think>");
            if (!THINK.accepts(stripped)) {
                return false;
            }
            String rest = stripped.substring(think + "</think>".length()).strip();
            return rest.startsWith("<answer>")
                    && rest.endsWith("</answer>")
                    && rest.lastIndexOf("<answer>") == 0
                    && rest.indexOf("</answer>") == rest.length() - "</answer>".length();
        }
    },

    /** A JSON document. */
    JSON {
        @Override
        boolean accepts(String text) {
            try {
                return !Json.parse(text, "the answer").isMissingNode();
            } catch (UserErrorException e) {
                return false;
            }
        }
    };

    abstract boolean accepts(String text);

    @Override
    public double score(RewardRequest request) {
        return accepts(request.completion()) ? 1 : 0;
    }
}
