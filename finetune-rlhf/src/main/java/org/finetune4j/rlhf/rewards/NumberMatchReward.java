package org.finetune4j.rlhf.rewards;

import com.google.re2j.Matcher;
import com.google.re2j.Pattern;
import java.math.BigDecimal;
import java.util.Optional;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * 1 for an answer that comes to the record's number, 0 for any other. In both the number is the one after the last
 * {@code ####}, as in GSM8K, else the last one of the text. {@code 1,200.0} is {@code 1200}.
 *
 * @param column of the record's answer
 */
public record NumberMatchReward(String column) implements RewardFunction {

    private static final String MARK = "####";
    private static final Pattern NUMBER = Pattern.compile("[-+]?(?:\\d[\\d,]*)?\\.?\\d+");

    @Override
    public double score(RewardRequest request) {
        String expected = ReferenceColumn.of(request, column, "number_match");
        BigDecimal right = number(expected)
                .orElseThrow(() ->
                        new UserErrorException("reward 'number_match': the column '" + column + "' of the prompt '"
                                + Reasons.excerpt(request.prompt()) + "' is '" + Reasons.excerpt(expected)
                                + "', expected a text with a number"));
        return number(request.completion())
                        .filter(given -> given.compareTo(right) == 0)
                        .isPresent()
                ? 1
                : 0;
    }

    /** The number that a text comes to. */
    static Optional<BigDecimal> number(String text) {
        int mark = text.lastIndexOf(MARK);
        return mark < 0 ? find(text, false) : find(text.substring(mark + MARK.length()), true);
    }

    private static Optional<BigDecimal> find(String text, boolean first) {
        Matcher matcher = NUMBER.matcher(text);
        String found = null;
        while (matcher.find()) {
            found = matcher.group();
            if (first) {
                break;
            }
        }
        return Optional.ofNullable(found).map(number -> new BigDecimal(number.replace(",", "")));
    }
}
