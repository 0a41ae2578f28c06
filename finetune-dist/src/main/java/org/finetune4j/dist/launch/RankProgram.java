package org.finetune4j.dist.launch;

import java.util.ArrayList;
import java.util.List;

/** The program that every rank of a launched training is: the command line's {@code rank}, in a JVM of its own. */
public final class RankProgram {

    /** The class with the program's {@code main}. */
    public static final String MAIN = "org.finetune4j.cli.Main";

    private RankProgram() {}

    /**
     * The command that starts it, with the options of {@code FINETUNE_JAVA_OPTS}.
     *
     * @param java the JVM and where its classes are
     * @param arguments what follows {@code rank}
     * @return program and arguments
     */
    public static List<String> command(List<String> java, List<String> arguments) {
        List<String> all = new ArrayList<>(java);
        // Several share a host: each keeps to few threads and little memory of its own.
        all.add("-XX:+UseSerialGC");
        all.add("-Xms64m");
        // As the finetune command has it: code that only calls libtorch gains nothing from being compiled once more.
        all.add("-XX:Tier4InvocationThreshold=100000");
        all.add("-XX:Tier4CompileThreshold=200000");
        String options = System.getenv("FINETUNE_JAVA_OPTS");
        if (options != null && !options.isBlank()) {
            all.addAll(List.of(options.strip().split("\\s+")));
        }
        all.add(MAIN);
        all.add("rank");
        all.addAll(arguments);
        return all;
    }
}
