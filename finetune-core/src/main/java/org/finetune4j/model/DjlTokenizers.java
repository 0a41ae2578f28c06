package org.finetune4j.model;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import com.google.common.base.Utf8;
import java.lang.ref.Reference;
import java.util.function.LongFunction;

/**
 * DJL's binding of the tokenizers library, asked for what is wanted and no more. Its own {@code encode} fetches all that an
 * encoding has, the tokens' spellings too: a fifth of the time, and most of the memory.
 */
final class DjlTokenizers {

    /** Shorter texts have fewer tokens than any heap has room for. */
    private static final int LONG_TEXT = 1 << 16;

    /** Bytes that the heap needs for a token: its id, and where it lies. */
    private static final int ID = Long.BYTES;

    private static final int SPAN = 32;

    private DjlTokenizers() {}

    /**
     * Keeps DJL from using the network: it reports to its authors on cloud machines unless told not to, and downloads
     * a CUDA build of the tokenizers, which gains nothing, where it finds a GPU. A user's own setting stays.
     */
    static void configure() {
        setDefault("OPT_OUT_TRACKING", "true");
        setDefault("RUST_FLAVOR", "cpu");
    }

    private static void setDefault(String name, String value) {
        if (System.getenv(name) == null && System.getProperty(name) == null) {
            System.setProperty(name, value);
        }
    }

    /**
     * The ids of a text without anything around it.
     *
     * @throws RuntimeException of the library's when it cannot encode the text
     * @throws OutOfMemoryError when the heap has no room for them
     */
    static int[] ids(HuggingFaceTokenizer tokenizer, String text) {
        return encode(tokenizer, text, ID, encoding -> toInts(TokenizersLibrary.LIB.getTokenIds(encoding)));
    }

    /**
     * The ids of a text and where they lie.
     *
     * @throws RuntimeException of the library's when it cannot encode the text
     * @throws OutOfMemoryError when the heap has no room for them
     */
    static TokenOffsets offsets(HuggingFaceTokenizer tokenizer, String text) {
        return encode(tokenizer, text, ID + SPAN, encoding -> {
            int[] ids = toInts(TokenizersLibrary.LIB.getTokenIds(encoding));
            CharSpan[] spans = TokenizersLibrary.LIB.getTokenCharSpans(encoding);
            return TokenOffsets.of(text, ids, spans);
        });
    }

    private static <T> T encode(HuggingFaceTokenizer tokenizer, String text, int bytes, LongFunction<T> read) {
        requireRoom(text, bytes);
        long encoding = TokenizersLibrary.LIB.encode(tokenizer.getHandle(), text, false);
        try {
            return read.apply(encoding);
        } finally {
            TokenizersLibrary.LIB.deleteEncoding(encoding);
        }
    }

    /**
     * The library ends the process where the heap has no room for an array that it makes: what it can need at most, a token for
     * a byte, is asked of the heap before, which says so by an error.
     */
    private static void requireRoom(String text, int bytes) {
        if (text.length() < LONG_TEXT) {
            return;
        }
        long most = (long) Utf8.encodedLength(text) * bytes;
        byte[][] room = new byte[Math.toIntExact(most / (1 << 30) + 1)][];
        try {
            for (int i = 0; i < room.length; i++) {
                room[i] = new byte[i + 1 < room.length ? 1 << 30 : (int) (most % (1 << 30))];
            }
        } finally {
            Reference.reachabilityFence(room); // else a compiler might leave out what nobody reads
        }
    }

    private static int[] toInts(long[] ids) {
        int[] result = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            result[i] = Math.toIntExact(ids[i]);
        }
        return result;
    }
}
