package org.finetune4j.model.hub;

import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;

/**
 * What a hub says about one file of a commit.
 *
 * @param path in the repository, with slashes
 * @param etag names the content, and the blob in the cache
 * @param size bytes, or -1 where the hub does not say
 */
record HubFile(String path, String etag, long size) {

    /** Characters that lead elsewhere or that no name has, and what Windows takes for a device or cuts off. */
    private static final Pattern NO_NAME =
            Pattern.compile("[\\\\:\\x00-\\x1f\\x7f]|[. ]$|^(?i:con|prn|aux|nul|com\\d|lpt\\d)(\\.|$)");

    private static final Pattern FILE_NAME = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9._-]*");

    /** Refuses names with which a hub could make us write elsewhere. */
    HubFile {
        checkPath(path);
        if (!FILE_NAME.matcher(etag).matches()) {
            throw new UserErrorException(
                    "the hub gives '" + path + "' the etag '" + etag + "', which names no content");
        }
    }

    static void checkPath(String path) {
        for (String part : path.split("/", -1)) {
            if (part.isEmpty()
                    || part.equals(".")
                    || part.equals("..")
                    || NO_NAME.matcher(part).find()) {
                throw new UserErrorException("the hub lists a file '" + path + "', which cannot be one");
            }
        }
    }

    /** An etag as a header has it, without quotes and the mark of a weak one. */
    static String normalized(String header) {
        String etag = header.startsWith("W/") ? header.substring(2) : header;
        return etag.replace("\"", "");
    }
}
