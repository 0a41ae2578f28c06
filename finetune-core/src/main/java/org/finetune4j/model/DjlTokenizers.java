package org.finetune4j.model;

/** Settings that DJL's tokenizer library reads when it is first used. */
final class DjlTokenizers {

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
}
