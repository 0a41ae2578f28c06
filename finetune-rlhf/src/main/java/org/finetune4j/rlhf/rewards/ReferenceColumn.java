package org.finetune4j.rlhf.rewards;

import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/** The column of a record in which the right answer is. */
final class ReferenceColumn {

    private ReferenceColumn() {}

    static String of(RewardRequest request, String column, String reward) {
        return request.text(column)
                .orElseThrow(() -> new UserErrorException("reward '" + reward + "' needs the column '" + column
                        + "', the record of the prompt '" + Reasons.excerpt(request.prompt()) + "' has "
                        + Reasons.excerpt(request.columns().keySet().toString())));
    }
}
