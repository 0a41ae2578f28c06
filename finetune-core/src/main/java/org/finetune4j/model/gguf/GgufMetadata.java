package org.finetune4j.model.gguf;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Collects the metadata of a file, in the order it is written. */
public final class GgufMetadata {

    private final Map<String, GgufValue> values = new LinkedHashMap<>();

    Map<String, GgufValue> values() {
        return Collections.unmodifiableMap(values);
    }

    /**
     * Sets a value.
     *
     * @param key llama.cpp's name
     * @param value the value
     * @return this
     */
    public GgufMetadata put(String key, String value) {
        values.put(key, new GgufValue.Text(value));
        return this;
    }

    /**
     * Sets a value.
     *
     * @param key llama.cpp's name
     * @param value the value
     * @return this
     */
    public GgufMetadata put(String key, int value) {
        values.put(key, new GgufValue.Unsigned(value));
        return this;
    }

    /**
     * Sets a value.
     *
     * @param key llama.cpp's name
     * @param value the value
     * @return this
     */
    public GgufMetadata put(String key, double value) {
        values.put(key, new GgufValue.Real((float) value));
        return this;
    }

    /**
     * Sets a value.
     *
     * @param key llama.cpp's name
     * @param value the value
     * @return this
     */
    public GgufMetadata put(String key, boolean value) {
        values.put(key, new GgufValue.Flag(value));
        return this;
    }

    /**
     * Sets a list of texts.
     *
     * @param key llama.cpp's name
     * @param value the value
     * @return this
     */
    public GgufMetadata putTexts(String key, List<String> value) {
        values.put(key, new GgufValue.Texts(value));
        return this;
    }

    /**
     * Sets a list of whole numbers.
     *
     * @param key llama.cpp's name
     * @param value the value
     * @return this
     */
    public GgufMetadata putIntegers(String key, List<Integer> value) {
        values.put(key, new GgufValue.Integers(value));
        return this;
    }

    /**
     * Sets a list of numbers.
     *
     * @param key llama.cpp's name
     * @param value the value
     * @return this
     */
    public GgufMetadata putReals(String key, List<Float> value) {
        values.put(key, new GgufValue.Reals(value));
        return this;
    }
}
