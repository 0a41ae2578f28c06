package org.finetune4j.model.hub;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Which hub is asked, as whom, and where downloads are kept.
 *
 * @param endpoint the hub, without a slash at the end
 * @param token sent to the endpoint's host only, or null for nobody in particular
 * @param cache the directory with one {@code models--org--name} directory a repository
 * @param offline whether only the cache may be used
 */
public record HubSettings(URI endpoint, @Nullable String token, Path cache, boolean offline) {

    private static final String DEFAULT_ENDPOINT = "https://huggingface.co";
    private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");

    /**
     * What the variables of this process say; see {@link #of}.
     *
     * @return the settings
     */
    public static HubSettings fromEnvironment() {
        return of(System.getenv(), Path.of(System.getProperty("user.home")));
    }

    /**
     * Reads the variables that Python's huggingface_hub reads too: {@code HF_ENDPOINT}, {@code HF_TOKEN} (else the older
     * {@code HUGGING_FACE_HUB_TOKEN}, else the file {@code HF_TOKEN_PATH}, else {@code token} in {@code HF_HOME}), {@code
     * HF_HOME}, {@code HF_HUB_CACHE} and {@code HF_HUB_OFFLINE}.
     *
     * @param environment the variables
     * @param home the user's home directory
     * @return the settings
     * @throws UserErrorException when a value cannot be used
     */
    public static HubSettings of(Map<String, String> environment, Path home) {
        String xdg = value(environment, "XDG_CACHE_HOME");
        Path cacheHome = xdg == null ? home.resolve(".cache") : path(xdg, home);
        String own = value(environment, "HF_HOME");
        Path hubHome = own == null ? cacheHome.resolve("huggingface") : path(own, home);
        Path cache = hubHome.resolve("hub");
        for (String name : new String[] {"HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"}) {
            String named = value(environment, name);
            cache = named == null ? cache : path(named, home);
        }
        return new HubSettings(
                endpoint(value(environment, "HF_ENDPOINT")),
                token(environment, hubHome, home),
                cache,
                isTrue(environment, "HF_HUB_OFFLINE") || isTrue(environment, "TRANSFORMERS_OFFLINE"));
    }

    private static URI endpoint(@Nullable String named) {
        String text = named == null ? DEFAULT_ENDPOINT : named.strip().replaceAll("/+$", "");
        try {
            URI uri = URI.create(text);
            if (uri.getRawUserInfo() != null) {
                throw new UserErrorException(
                        "HF_ENDPOINT has a user or password in it: expected an address such as https://host, and HF_TOKEN");
            }
            if (uri.getHost() != null && ("https".equals(uri.getScheme()) || "http".equals(uri.getScheme()))) {
                return uri;
            }
        } catch (IllegalArgumentException e) {
            // Told below, as every address that cannot be asked.
        }
        throw new UserErrorException("HF_ENDPOINT is '" + named + "', expected an address such as https://host");
    }

    private static @Nullable String token(Map<String, String> environment, Path hubHome, Path home) {
        for (String name : new String[] {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
            String token = value(environment, name);
            if (token != null) {
                return checked(token.strip(), name);
            }
        }
        String named = value(environment, "HF_TOKEN_PATH");
        Path file = named == null ? hubHome.resolve("token") : path(named, home);
        if (!Files.isRegularFile(file)) {
            return null;
        }
        try {
            String text = Files.readString(file).strip();
            return text.isEmpty() ? null : checked(text, file.toString());
        } catch (IOException e) {
            throw new UserErrorException("cannot read the hub token in " + file + ": " + Reasons.of(e), e);
        }
    }

    /** A token goes into a header, where a line break would be an error that shows the token. */
    private static String checked(String token, String origin) {
        if (token.chars().anyMatch(character -> character <= ' ' || character > '~')) {
            throw new UserErrorException("the hub token in " + origin + " has characters that no token has");
        }
        return token;
    }

    private static @Nullable String value(Map<String, String> environment, String name) {
        String value = environment.get(name);
        return value == null || value.isBlank() ? null : value;
    }

    private static boolean isTrue(Map<String, String> environment, String name) {
        String value = value(environment, name);
        return value != null && TRUE.contains(value.toUpperCase(Locale.ROOT));
    }

    private static Path path(String text, Path home) {
        return text.equals("~") || text.startsWith("~/")
                ? home.resolve(text.substring(Math.min(2, text.length())))
                : Path.of(text);
    }

    /** Never shows the token. */
    @Override
    public String toString() {
        return endpoint + (token == null ? "" : " with a token") + ", cache " + cache + (offline ? ", offline" : "");
    }
}
