package org.finetune4j.model.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.RetryAfter;
import org.finetune4j.UserErrorException;

/** Sends requests to a hub: with the token where it belongs, following redirects, trying again where that may help. */
final class HubHttp {

    static final int TRIES = 5;

    /** A hub that has never answered is most likely a machine without a network, whose user should not wait. */
    private static final int TRIES_OF_FIRST_CONTACT = 2;

    private static final Set<Integer> WORTH_ANOTHER_TRY = Set.of(408, 429, 500, 502, 503, 504);
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);
    private static final int MOST_REDIRECTS = 8;
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(5);

    /** A request may take this many seconds for its body, too: the slowest line that is waited for. */
    private static final long SLOWEST_BYTES_PER_SECOND = 32 * 1024;

    private final HubSettings settings;
    private final Waiting waiting;
    private volatile boolean answered;
    private final HttpClient client = HttpClient.newBuilder()
            .connectTimeout(Duration.ofSeconds(15))
            .followRedirects(HttpClient.Redirect.NEVER)
            .build();

    HubHttp(HubSettings settings, Waiting waiting) {
        this.settings = settings;
        this.waiting = waiting;
    }

    /**
     * One request. The body may be sent again.
     *
     * @param followElsewhere whether a redirect to another host is followed, or is the answer
     */
    record Call(String method, URI uri, Map<String, String> headers, BodyPublisher body, boolean followElsewhere) {

        static Call get(URI uri, Map<String, String> headers) {
            return new Call("GET", uri, headers, BodyPublishers.noBody(), true);
        }

        static Call head(URI uri) {
            return new Call("HEAD", uri, Map.of("Accept-Encoding", "identity"), BodyPublishers.noBody(), false);
        }

        static Call post(URI uri, String type, BodyPublisher body) {
            return new Call("POST", uri, Map.of("Content-Type", type), body, true);
        }
    }

    /** An address of the hub; every part of the path is escaped, slashes stay. */
    URI address(String path) {
        StringBuilder address = new StringBuilder(settings.endpoint().toString());
        for (String part : path.split("/")) {
            address.append('/').append(escape(part));
        }
        return URI.create(address.toString());
    }

    /** An address that ends with a revision, whose slashes are escaped. */
    URI address(String path, String revision) {
        return URI.create(address(path) + "/" + escape(revision));
    }

    /** One part of a path, escaped, slashes too. */
    private static String escape(String part) {
        return URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20");
    }

    /**
     * The answer, whatever its status, after the tries that were worth it. The caller closes the body.
     *
     * @throws HubUnreachableException when there was no answer
     */
    HttpResponse<InputStream> send(Call call) {
        for (int tried = 1; ; tried++) {
            try {
                HttpResponse<InputStream> response = follow(call);
                answered = true;
                if (tried == TRIES || !WORTH_ANOTHER_TRY.contains(response.statusCode())) {
                    return response;
                }
                response.body().close();
                waiting.pause(pause(response, tried));
            } catch (IOException e) {
                if (tried >= (answered || !isNoConnection(e) ? TRIES : TRIES_OF_FIRST_CONTACT)) {
                    throw new HubUnreachableException(
                            "no answer from " + settings.endpoint() + ": " + Reasons.of(e), e);
                }
                waiting.pause(backoff(tried));
            }
        }
    }

    private static boolean isNoConnection(IOException e) {
        return e instanceof ConnectException || e instanceof HttpTimeoutException;
    }

    /** Waits before another try of something that {@link #send} does not see the end of. */
    void pauseBeforeTry(int tried) {
        waiting.pause(backoff(tried));
    }

    private HttpResponse<InputStream> follow(Call call) throws IOException {
        URI uri = call.uri();
        for (int hop = 0; hop < MOST_REDIRECTS; hop++) {
            HttpResponse<InputStream> response = exchange(call, uri);
            String location = response.headers().firstValue("Location").orElse("");
            if (!REDIRECTS.contains(response.statusCode()) || location.isEmpty()) {
                return response;
            }
            URI next = target(uri, location);
            if (!call.followElsewhere() && !sameHost(next, uri)) {
                return response;
            }
            response.body().close();
            uri = next;
        }
        throw new UserErrorException(settings.endpoint() + " sends on more than " + MOST_REDIRECTS + " times from "
                + call.uri().getPath());
    }

    /** Where a redirect leads; characters that an address cannot have are escaped, as browsers do. */
    static URI target(URI from, String location) {
        StringBuilder address = new StringBuilder();
        for (byte octet : location.strip().getBytes(StandardCharsets.UTF_8)) {
            char character = (char) (octet & 0xff);
            boolean allowed = character > ' ' && character < 0x7f && "\"<>\\^`{|}".indexOf(character) < 0;
            address.append(allowed ? String.valueOf(character) : String.format(Locale.ROOT, "%%%02X", (int) character));
        }
        try {
            URI next = from.resolve(new URI(address.toString()));
            String scheme = String.valueOf(next.getScheme()).toLowerCase(Locale.ROOT);
            if (next.getHost() != null && (scheme.equals("https") || (scheme.equals("http") && !isEncrypted(from)))) {
                return next;
            }
        } catch (URISyntaxException e) {
            throw new UserErrorException("the hub sends on to an address that is none", e);
        }
        // To ask once more would bring the same.
        throw new UserErrorException("the hub at " + from.getHost() + " sends on to an address that is not "
                + (isEncrypted(from) ? "https" : "http or https") + ": " + Reasons.excerpt(location));
    }

    private static boolean isEncrypted(URI uri) {
        return "https".equalsIgnoreCase(uri.getScheme());
    }

    /** How long an answer is waited for: the time counts while the body is sent. */
    static Duration timeout(Waiting waiting, BodyPublisher body) {
        return waiting.forAnswer().plusSeconds(Math.max(0, body.contentLength()) / SLOWEST_BYTES_PER_SECOND);
    }

    private HttpResponse<InputStream> exchange(Call call, URI uri) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
                .timeout(timeout(waiting, call.body()))
                .header("User-Agent", "finetune4j")
                .method(call.method(), call.body());
        call.headers().forEach(request::setHeader);
        if (settings.token() != null && sameHost(uri, settings.endpoint())) {
            request.setHeader("Authorization", "Bearer " + settings.token());
        }
        try {
            return client.send(request.build(), BodyHandlers.ofInputStream());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted while talking to the hub", e);
        } catch (IllegalArgumentException e) {
            throw new IOException("the hub sent an address that cannot be asked", e);
        }
    }

    static boolean sameHost(URI one, URI other) {
        return String.valueOf(one.getScheme()).equalsIgnoreCase(other.getScheme())
                && String.valueOf(one.getAuthority()).equalsIgnoreCase(other.getAuthority());
    }

    private static Duration pause(HttpResponse<?> response, int tried) {
        Duration asked = RetryAfter.of(response).orElse(backoff(tried));
        return asked.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : asked;
    }

    private static Duration backoff(int tried) {
        return Duration.ofSeconds(1L << (tried - 1));
    }
}
