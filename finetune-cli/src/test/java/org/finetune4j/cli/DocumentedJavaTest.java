package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every block that a page calls {@code java} compiles. One that has no class of its own is the body of a method, which may use what is
 * declared in {@link #CONTEXT}; all public packages of the project and the JDK's usual ones are imported.
 */
class DocumentedJavaTest {

    /** What the pages speak of without declaring it. */
    private static final String CONTEXT = """
                static CausalLM model;
                static FineTuningStrategy lora;
                static AdapterSet adapters;
                static TextGenerator generator;
                static GenerationOptions options;
                static List<String> prompts;
                static int[] prompt;
                static String conversation;
                static ModuleSelection modules;
                static ModelInputs inputs;
                static int[] contract, symptoms, question;
                static long step;
                static StepSource.Factory mySteps;
            """;

    @TempDir
    Path directory;

    @Test
    void theJavaOfThePagesCompiles() throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        assertNotNull(compiler, "the tests need a JDK");
        String imports = imports();
        List<JavaFileObject> sources = new ArrayList<>();
        for (Documentation.Block block : Documentation.blocks(List.of("java"))) {
            sources.add(new Snippet(block, imports));
        }
        DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
        compiler.getTask(
                        null,
                        null,
                        found,
                        List.of("-proc:none", "-d", directory.toString(), "-Xlint:none"),
                        null,
                        sources)
                .call();
        assertEquals(
                "",
                found.getDiagnostics().stream()
                        .filter(diagnostic -> diagnostic.getKind() == Diagnostic.Kind.ERROR)
                        .map(DocumentedJavaTest::describe)
                        .collect(Collectors.joining("\n")));
    }

    private static String describe(Diagnostic<? extends JavaFileObject> problem) {
        String place = problem.getSource() instanceof Snippet snippet
                ? snippet.block.page() + ":"
                        + (snippet.block.line() + problem.getLineNumber() - snippet.linesBefore - 1)
                : "";
        return place + ": " + problem.getMessage(null);
    }

    /** Every package of the project that has public classes, in one line, so that lines keep their numbers. */
    private static String imports() throws IOException {
        Set<String> packages = new TreeSet<>(
                List.of("java.io", "java.net", "java.nio.file", "java.util", "java.util.function", "java.util.stream"));
        for (String module : List.of("core", "peft", "quant", "rlhf", "dist", "serve")) {
            Path sources = Documentation.ROOT.resolve("finetune-" + module + "/src/main/java");
            try (Stream<Path> files = Files.walk(sources)) {
                files.filter(file -> file.toString().endsWith(".java") && !file.endsWith("package-info.java"))
                        .map(file -> String.valueOf(sources.relativize(file).getParent()))
                        .map(name -> name.replace('/', '.').replace('\\', '.'))
                        .forEach(packages::add);
            }
        }
        return packages.stream().map(name -> "import " + name + ".*;").collect(Collectors.joining(" "));
    }

    /** A block as a compilation unit. */
    private static final class Snippet extends SimpleJavaFileObject {

        private final Documentation.Block block;
        private final String source;
        private final int linesBefore;

        Snippet(Documentation.Block block, String imports) {
            super(URI.create("snippet:///" + name(block) + ".java"), Kind.SOURCE);
            this.block = block;
            String code = block.code();
            if (code.contains("public class ")) {
                // In a package of its own: several pages may declare the same class.
                source = "package snippets." + name(block) + ";\n" + code.replace("public class ", "class ");
                linesBefore = 1;
            } else {
                String own =
                        code.lines().filter(line -> line.startsWith("import ")).collect(Collectors.joining(" "));
                String body = code.lines()
                        .map(line -> line.startsWith("import ") ? "" : line)
                        .collect(Collectors.joining("\n"));
                String before = "package snippets;\n" + imports + " " + own + "\nclass " + name(block) + " {\n"
                        + CONTEXT + "void run() throws Exception {\n";
                linesBefore = (int) before.lines().count();
                String end = body.stripTrailing().endsWith(")") ? ";" : "";
                source = before + body + end + "\n}}\n";
            }
        }

        private static String name(Documentation.Block block) {
            return block.page().replaceAll("\\W", "_") + "_" + block.line();
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return source;
        }
    }
}
