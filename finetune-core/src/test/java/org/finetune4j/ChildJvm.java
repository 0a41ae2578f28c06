package org.finetune4j;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Programs of the tests' class path in processes of their own. They live for seconds: half of what they would compute is the second
 * compiler, whose code they do not live to use.
 */
public final class ChildJvm {

    private ChildJvm() {}

    /**
     * The command that starts a program.
     *
     * @param options of the JVM
     * @param main the class with the program
     * @param arguments of the program
     */
    public static List<String> command(List<String> options, Class<?> main, String... arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        command.addAll(options);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        command.addAll(List.of(arguments));
        return command;
    }
}
