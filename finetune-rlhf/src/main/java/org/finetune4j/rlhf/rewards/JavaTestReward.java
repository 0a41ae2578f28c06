package org.finetune4j.rlhf.rewards;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.AtomicFiles;

/**
 * Scores an answer that is a piece of a Java program by the test of its record: a class whose {@code main} returns where the
 * answer is right and throws where it is not. Both are compiled and run by the {@code java} of this process, in a process of their
 * own. Of an answer with a code block between {@code ```} lines the first such block counts.
 */
public final class JavaTestReward extends ProgramReward {

    private static final Pattern BLOCK = Pattern.compile("```(?:java)?[ \\t]*\\R(.*?)```", Pattern.DOTALL);
    private static final Pattern HEADER = Pattern.compile("^\\s*(?:package|import)\\s[^;]*;", Pattern.MULTILINE);

    private final String column;

    /**
     * A test of programs.
     *
     * @param column of the record's test, the text of a class with a {@code main}
     * @param limit how long compiling and running may take
     */
    public JavaTestReward(String column, Duration limit) {
        super("java_test", limit);
        this.column = column;
    }

    @Override
    Invocation invocation(RewardRequest request, Path directory) {
        String test = ReferenceColumn.of(request, column, name());
        Path source = directory.resolve("Test.java");
        AtomicFiles.writeString(source, program(test, code(request.completion())));
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        return new Invocation(
                List.of(java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", source.toString()),
                "".getBytes(StandardCharsets.UTF_8));
    }

    private static String code(String completion) {
        Matcher block = BLOCK.matcher(completion);
        return block.find() ? block.group(1) : completion;
    }

    /** One source file: java runs the first class of it, the test's. */
    private static String program(String test, String code) {
        Set<String> imports = new LinkedHashSet<>();
        String classes = withoutHeader(test, imports) + "\n" + withoutHeader(code, imports);
        return String.join("\n", imports) + "\n" + classes;
    }

    private static String withoutHeader(String source, Set<String> imports) {
        Matcher header = HEADER.matcher(source);
        while (header.find()) {
            String line = header.group().strip();
            if (line.startsWith("import")) {
                imports.add(line);
            }
        }
        return header.replaceAll("");
    }
}
