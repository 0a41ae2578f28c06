package org.finetune4j.cli;

import java.util.List;

/** Sends logs to standard error and keeps other people's chatter out of it, before the first logger is made. */
final class Logging {

    private static final String PREFIX = "org.slf4j.simpleLogger.";

    private Logging() {}

    static void configure(String... args) {
        boolean verbose = List.of(args).contains("--verbose");
        System.setProperty(PREFIX + "logFile", "System.err");
        System.setProperty(PREFIX + "defaultLogLevel", verbose ? "info" : "warn");
        System.setProperty(PREFIX + "showThreadName", "false");
        System.setProperty(PREFIX + "showShortLogName", "true");
        if (!verbose) {
            // DJL warns about every machine without a GPU.
            System.setProperty(PREFIX + "log.ai.djl", "error");
            // Javalin and Jetty tell again what is thrown, and report clients that go away.
            System.setProperty(PREFIX + "log.io.javalin", "off");
            System.setProperty(PREFIX + "log.org.eclipse.jetty", "off");
        }
    }
}
