package org.finetune4j.model.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** The two hashes by which a hub names content. */
final class FileHash {

    private static final int SHA1_DIGITS = 40;
    private static final int SHA256_DIGITS = 64;

    private FileHash() {}

    /**
     * Whether a file has the content that an etag names: the SHA-256 of a large file, or what git calls a blob's id. Other
     * etags say nothing about content, so that every file agrees.
     */
    static boolean agrees(Path file, String etag) throws IOException {
        if (!etag.matches("[0-9a-f]+")) {
            return true;
        }
        return switch (etag.length()) {
            case SHA256_DIGITS -> sha256(file).equals(etag);
            case SHA1_DIGITS -> gitBlob(file).equals(etag);
            default -> true;
        };
    }

    /** Lower-case hexadecimal SHA-256. */
    static String sha256(Path file) throws IOException {
        return digest(file, algorithm("SHA-256"));
    }

    /** The id that git gives a file of this content: SHA-1 with the length in front. */
    static String gitBlob(Path file) throws IOException {
        MessageDigest sha1 = algorithm("SHA-1");
        sha1.update(("blob " + Files.size(file) + "\0").getBytes(StandardCharsets.US_ASCII));
        return digest(file, sha1);
    }

    private static String digest(Path file, MessageDigest digest) throws IOException {
        byte[] buffer = new byte[1 << 16];
        try (InputStream in = Files.newInputStream(file)) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                digest.update(buffer, 0, count);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest algorithm(String name) {
        try {
            return MessageDigest.getInstance(name);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has " + name, e);
        }
    }
}
