package org.finetune4j.model.hub;

import java.util.Optional;
import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;

/**
 * A model repository of a hub at one of its revisions.
 *
 * @param id {@code org/name}, or {@code name} for the few that have no owner
 * @param revision a branch, a tag or a commit
 */
public record HubRepository(String id, String revision) {

    /** The branch that is meant when none is named. */
    public static final String MAIN = "main";

    private static final String PART = "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?";
    private static final Pattern ID = Pattern.compile("(?:" + PART + "/)?" + PART);
    private static final Pattern REVISION = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._/+-]*");

    /**
     * Checks both parts.
     *
     * @param id {@code org/name}
     * @param revision branch, tag or commit
     * @throws UserErrorException when one cannot be a name on a hub
     */
    public HubRepository {
        if (!isId(id)) {
            throw new UserErrorException(
                    "'" + id + "' is not a name on a hub: expected ORG/NAME, optionally @REVISION");
        }
        if (!REVISION.matcher(revision).matches() || revision.contains("..")) {
            throw new UserErrorException(
                    "'" + revision + "' is not a revision: expected the name of a branch or tag, or a commit");
        }
    }

    /**
     * Reads {@code org/name} or {@code org/name@revision}.
     *
     * @param text what a user wrote
     * @return the repository
     * @throws UserErrorException when the text is neither
     */
    public static HubRepository parse(String text) {
        int at = text.indexOf('@');
        return at < 0
                ? new HubRepository(text, MAIN)
                : new HubRepository(text.substring(0, at), text.substring(at + 1));
    }

    /**
     * {@return the repository that a text names, or empty when it can be none, such as an absolute path}
     *
     * @param text what a user wrote
     */
    public static Optional<HubRepository> tryParse(String text) {
        try {
            return Optional.of(parse(text));
        } catch (UserErrorException e) {
            return Optional.empty();
        }
    }

    /** Whether a text has the form {@code org/name} or {@code name}. */
    static boolean isId(String text) {
        return ID.matcher(text).matches() && !text.contains("--") && !text.contains("..");
    }

    /**
     * {@return the same repository at another revision}
     *
     * @param other branch, tag or commit
     */
    public HubRepository at(String other) {
        return new HubRepository(id, other);
    }

    /** The name of its directory in the cache. */
    String directoryName() {
        return "models--" + id.replace("/", "--");
    }

    @Override
    public String toString() {
        return revision.equals(MAIN) ? id : id + "@" + revision;
    }
}
