package org.finetune4j.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.finetune4j.Json;

/**
 * The tokens of a request.
 *
 * @param prompt of all prompts
 * @param cached of the prompts' tokens, those that earlier requests had computed
 * @param completion of all answers
 */
record Usage(int prompt, int cached, int completion) {

    ObjectNode json() {
        ObjectNode usage = Json.object();
        usage.put("prompt_tokens", prompt);
        usage.put("completion_tokens", completion);
        usage.put("total_tokens", prompt + completion);
        usage.putObject("prompt_tokens_details").put("cached_tokens", cached);
        return usage;
    }
}
