package org.finetune4j.model;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The text of single tokens, as it stands in the middle of a text; of those that are part of a character only, the bytes. */
public final class TokenText {

    /** What decoding gives where bytes are no character. */
    private static final char NO_TEXT = '\uFFFD';

    /** How vocabularies of words spell a byte of a character that they lack. */
    private static final Pattern BYTE = Pattern.compile("<0x([0-9A-F]{2})>");

    /** The bytes that GPT-2's letters stand for, by letter; -1 where a letter stands for none. */
    private static final int[] LETTERS = letters();

    private final Tokenizer tokenizer;

    /** A token before the one in question: some tokenizers drop the space at the beginning of a text. */
    private final int[] before;

    private final int length;

    /**
     * A token's share of a text.
     *
     * @param text what it reads as; bytes that are no whole characters as {@code \xf0\x9f}, so that no two such are alike
     * @param bytes in UTF-8
     * @param isWhole whether the bytes are whole characters
     */
    public record Share(String text, byte[] bytes, boolean isWhole) {

        /** {@return how much longer the token makes a text, in Java's characters}: one counts where it begins */
        public int characters() {
            int count = 0;
            for (byte each : bytes) {
                count += (each & 0xC0) == 0x80 ? 0 : (each & 0xF8) == 0xF0 ? 2 : 1;
            }
            return count;
        }
    }

    /**
     * Texts of a tokenizer's tokens.
     *
     * @param tokenizer which stays open
     */
    public TokenText(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        int[] ids = tokenizer.encode("a", false);
        this.before = ids.length == 0 ? new int[0] : new int[] {ids[ids.length - 1]};
        this.length = tokenizer.decode(before, false).length();
    }

    /**
     * What a token adds to a text.
     *
     * @param token its id, which may be a row of the embedding that is no token
     * @return its share
     */
    public Share of(int token) {
        return share(token, false);
    }

    /**
     * What a token adds to a text that special tokens are left out of.
     *
     * @param token its id, which may be a row of the embedding that is no token
     * @return its share, which has no bytes for a special token
     */
    public Share ofPlainText(int token) {
        return share(token, true);
    }

    private Share share(int token, boolean skipSpecialTokens) {
        int[] ids = before.length == 0 ? new int[] {token} : new int[] {before[0], token};
        String decoded = tokenizer.decode(ids, skipSpecialTokens);
        String text = decoded.substring(Math.min(length, decoded.length()));
        if (text.indexOf(NO_TEXT) < 0) {
            return new Share(text, text.getBytes(StandardCharsets.UTF_8), true);
        }
        byte[] bytes = spelled(token, text);
        try {
            String whole = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
            return new Share(whole, bytes, true);
        } catch (CharacterCodingException e) {
            return new Share(escaped(bytes), bytes, false);
        }
    }

    /** The bytes as the vocabulary spells them, or else those of the text. */
    private byte[] spelled(int token, String text) {
        byte[] otherwise = text.getBytes(StandardCharsets.UTF_8);
        String spelling;
        try {
            spelling = tokenizer.token(token);
        } catch (IllegalArgumentException e) { // a row of the embedding that is no token
            return otherwise;
        }
        Matcher single = BYTE.matcher(spelling);
        if (single.matches()) {
            return new byte[] {(byte) Integer.parseInt(single.group(1), 16)};
        }
        byte[] bytes = new byte[spelling.length()];
        for (int i = 0; i < bytes.length; i++) {
            int value = spelling.charAt(i) < LETTERS.length ? LETTERS[spelling.charAt(i)] : -1;
            if (value < 0) {
                return otherwise;
            }
            bytes[i] = (byte) value;
        }
        return bytes;
    }

    private static String escaped(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte each : bytes) {
            text.append(String.format("\\x%02x", each & 0xff));
        }
        return text.toString();
    }

    /** Bytes that print stand for themselves, the others are counted on from 256. */
    private static int[] letters() {
        int[] letters = new int[512];
        Arrays.fill(letters, -1);
        int others = 256;
        for (int value = 0; value < 256; value++) {
            boolean prints = (value > ' ' && value < 0x7f) || (value > 0xa0 && value != 0xad);
            letters[prints ? value : others++] = value;
        }
        return letters;
    }
}
