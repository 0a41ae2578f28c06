package org.finetune4j.serve;

import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;

/**
 * Who may ask. Keys are known by their SHA-256 only; each belongs to a tenant, and tenants take turns. A file has a line a key: the
 * hash as {@code sha256sum} prints it, and the tenant's name before or after it. Keys with one name are one tenant.
 */
public final class ApiKeys {

    /** The environment variable with keys, separated by commas. */
    public static final String ENVIRONMENT = "FINETUNE_API_KEYS";

    private static final Pattern HASH = Pattern.compile("(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])");
    private static final Pattern AROUND_NAME = Pattern.compile("^[\\s:=,*-]+|[\\s:=,*-]+$");

    private record Key(byte[] hash, String tenant) {}

    private final List<Key> keys;

    private ApiKeys(List<Key> keys) {
        this.keys = List.copyOf(keys);
    }

    /** {@return no keys: everybody may ask} */
    public static ApiKeys none() {
        return new ApiKeys(List.of());
    }

    /**
     * Keys of a file.
     *
     * @param file with a hash and the name of a tenant a line; empty lines and those that begin with # say nothing
     * @return the keys
     * @throws UserErrorException when the file cannot be read, has no key, or a line has no hash
     */
    public static ApiKeys read(Path file) {
        List<Key> keys = new ArrayList<>();
        int number = 0;
        for (String line : InputFiles.text(file).split("\n", -1)) {
            number++;
            String text = line.strip();
            if (text.isEmpty() || text.startsWith("#")) {
                continue;
            }
            Matcher hash = HASH.matcher(text);
            if (!hash.find()) { // The line is not quoted: it may be the key itself.
                throw new UserErrorException(file + ", line " + number + ": no SHA-256 of a key: expected what"
                        + " `printf %s KEY | sha256sum` prints, and the name of a tenant");
            }
            String rest = (text.substring(0, hash.start()) + " " + text.substring(hash.end()))
                    .replaceFirst("(?i)\\bsha-?256\\b", " ");
            String name = AROUND_NAME.matcher(rest).replaceAll("");
            keys.add(new Key(
                    HexFormat.of().parseHex(hash.group().toLowerCase(Locale.ROOT)),
                    name.isEmpty() ? "key-" + number : name));
        }
        if (keys.isEmpty()) {
            throw new UserErrorException(file + ": there is no key in it: nobody could ask");
        }
        return new ApiKeys(keys);
    }

    /**
     * Keys as they are.
     *
     * @param text keys separated by commas, such as an environment variable has
     * @return the keys, each a tenant; none where the text is blank
     */
    public static ApiKeys of(String text) {
        List<Key> keys = new ArrayList<>();
        for (String key : text.split(",", -1)) {
            if (!key.isBlank()) {
                keys.add(new Key(hash(key.strip()), "key-" + (keys.size() + 1)));
            }
        }
        return new ApiKeys(keys);
    }

    /**
     * These keys and others.
     *
     * @param more other keys
     * @return all of them
     */
    public ApiKeys and(ApiKeys more) {
        List<Key> all = new ArrayList<>(keys);
        all.addAll(more.keys);
        return new ApiKeys(all);
    }

    /** {@return whether nobody needs a key} */
    public boolean isEmpty() {
        return keys.isEmpty();
    }

    /** How many tenants there are at least. */
    int tenants() {
        Set<String> names = new LinkedHashSet<>();
        keys.forEach(key -> names.add(key.tenant));
        return Math.max(1, names.size());
    }

    /** The tenant whose key this is. The time it takes does not depend on the keys. */
    Optional<String> tenant(String given) {
        byte[] hash = hash(given);
        String found = null;
        for (Key key : keys) {
            if (MessageDigest.isEqual(key.hash, hash)) {
                found = key.tenant;
            }
        }
        return Optional.ofNullable(found);
    }

    private static byte[] hash(String key) {
        return Hashing.sha256().hashString(key, StandardCharsets.UTF_8).asBytes();
    }
}
