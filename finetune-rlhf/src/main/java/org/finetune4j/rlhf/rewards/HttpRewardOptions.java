package org.finetune4j.rlhf.rewards;

import java.net.URI;
import java.time.Duration;
import java.util.Map;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * How a service is asked for scores.
 *
 * @param endpoint its address, http or https
 * @param timeout how long it may take for an answer, from the connection to the last byte
 * @param tries how often it is asked before the training stops
 * @param backoff the pause before the second try; each further one is twice as long, up to a minute
 * @param headers sent with every request, such as {@code Authorization}
 */
public record HttpRewardOptions(
        URI endpoint, Duration timeout, int tries, Duration backoff, Map<String, String> headers) {

    /** What is waited for by default. */
    public static final Duration TIMEOUT = Duration.ofSeconds(60);

    /** How often it is asked by default. */
    public static final int TRIES = 4;

    /** The first pause by default. */
    public static final Duration BACKOFF = Duration.ofSeconds(1);

    /**
     * Looks at the address.
     *
     * @param endpoint its address, http or https
     * @param timeout how long it may take for an answer
     * @param tries at least 1
     * @param backoff the pause before the second try
     * @param headers sent with every request
     * @throws UserErrorException when the address is none of a service
     */
    public HttpRewardOptions {
        headers = Map.copyOf(headers);
        String scheme = endpoint.getScheme();
        boolean web = "http".equalsIgnoreCase(scheme) || "https".equalsIgnoreCase(scheme);
        if (!web || endpoint.getHost() == null) {
            throw new UserErrorException("'" + Reasons.excerpt(endpoint.toString())
                    + "' is no address of a reward service, expected one such as http://localhost:8000/score");
        }
        if (tries < 1 || timeout.isNegative() || timeout.isZero() || backoff.isNegative()) {
            throw new IllegalArgumentException("tries " + tries + ", timeout " + timeout + ", backoff " + backoff);
        }
    }

    /**
     * The defaults for an address.
     *
     * @param endpoint its address
     * @return the options
     * @throws UserErrorException when it is none of a service
     */
    public static HttpRewardOptions of(String endpoint) {
        try {
            return new HttpRewardOptions(URI.create(endpoint), TIMEOUT, TRIES, BACKOFF, Map.of());
        } catch (IllegalArgumentException e) {
            throw new UserErrorException(
                    "'" + Reasons.excerpt(endpoint) + "' is no address of a reward service: " + Reasons.of(e), e);
        }
    }
}
