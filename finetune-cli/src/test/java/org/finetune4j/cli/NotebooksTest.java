package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis;
import jdk.jshell.execution.DirectExecutionControl;
import jdk.jshell.spi.ExecutionControl;
import jdk.jshell.spi.ExecutionControlProvider;
import jdk.jshell.spi.ExecutionEnv;
import org.finetune4j.Json;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The notebooks run from their first cell to their last, in plain JShell, with few steps. */
@Tag("slow")
class NotebooksTest {

    private static final String STEPS = "finetune4j.notebook.steps";
    private static final String FILES = "finetune4j.notebook.files";

    @TempDir
    Path directory;

    static List<Path> notebooks() throws IOException {
        try (Stream<Path> files = Files.list(Documentation.ROOT.resolve("examples/notebooks"))) {
            return files.filter(file -> file.toString().endsWith(".ipynb"))
                    .sorted()
                    .toList();
        }
    }

    private static List<JsonNode> cells(Path notebook) throws IOException {
        JsonNode root = Json.parse(Files.readString(notebook), notebook.toString());
        List<JsonNode> cells = new ArrayList<>();
        root.path("cells").forEach(cell -> {
            if (cell.path("cell_type").asText().equals("code")) {
                cells.add(cell);
            }
        });
        return cells;
    }

    private static String source(JsonNode cell) {
        StringBuilder source = new StringBuilder();
        cell.path("source").forEach(line -> source.append(line.asText()));
        return source.toString();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("notebooks")
    void everyCellRuns(Path notebook) throws IOException {
        System.setProperty(STEPS, "2");
        System.setProperty(FILES, directory.toString());
        // In this process: libtorch is loaded already, and one virtual machine is enough.
        try (JShell shell =
                JShell.builder().executionEngine(new InThisThread(), Map.of()).build()) {
            for (String entry : System.getProperty("java.class.path").split(System.getProperty("path.separator"))) {
                shell.addToClasspath(entry);
            }
            for (JsonNode cell : cells(notebook)) {
                run(
                        shell,
                        source(cell)
                                .lines()
                                .filter(line -> !line.startsWith("%"))
                                .collect(Collectors.joining("\n")));
            }
        } finally {
            System.clearProperty(STEPS);
            System.clearProperty(FILES);
        }
    }

    /** JShell's own engine for this process waits for a cell's threads, now and then for those of a client that stays, for ever. */
    private static final class InThisThread implements ExecutionControlProvider {

        @Override
        public String name() {
            return "in-this-thread";
        }

        @Override
        public ExecutionControl generate(ExecutionEnv environment, Map<String, String> parameters) {
            return new DirectExecutionControl();
        }
    }

    private static void run(JShell shell, String cell) {
        String rest = cell;
        while (!rest.isBlank()) {
            SourceCodeAnalysis.CompletionInfo next = shell.sourceCodeAnalysis().analyzeCompletion(rest);
            String snippet = next.completeness() == SourceCodeAnalysis.Completeness.COMPLETE_WITH_SEMI
                    ? next.source() + ";"
                    : next.source();
            assertTrue(next.completeness().isComplete(), () -> "not a whole statement: " + cell);
            for (SnippetEvent event : shell.eval(snippet)) {
                String problems = shell.diagnostics(event.snippet())
                        .map(problem -> problem.getMessage(null))
                        .collect(Collectors.joining("; "));
                assertEquals(Snippet.Status.VALID, event.status(), () -> snippet + ": " + problems);
                if (event.exception() != null) {
                    throw new AssertionError(snippet, event.exception());
                }
            }
            rest = next.remaining();
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("notebooks")
    void theFirstCellNamesTheDependencyAndAllHaveRun(Path notebook) throws IOException {
        List<JsonNode> cells = cells(notebook);
        assertTrue(source(cells.get(0)).startsWith("%maven org.finetune4j:"), notebook.toString());
        for (JsonNode cell : cells) {
            assertTrue(cell.path("execution_count").isInt(), () -> notebook + " has no stored output: " + source(cell));
            cell.path("outputs")
                    .forEach(output -> assertTrue(
                            !output.path("output_type").asText().equals("error"), () -> notebook + ": " + output));
        }
    }
}
