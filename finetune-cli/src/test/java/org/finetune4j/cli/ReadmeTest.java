package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.finetune4j.cli.quickstart.EmbeddedModelFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a newcomer copies from the README works. */
class ReadmeTest {

    private static final Path ROOT = Path.of("..");

    @TempDir
    Path directory;

    private static String block(String language) throws IOException {
        Matcher matcher = Pattern.compile("```" + language + "\n(.*?)```", Pattern.DOTALL)
                .matcher(Files.readString(ROOT.resolve("README.md")));
        assertTrue(matcher.find(), language);
        return matcher.group(1);
    }

    private static String element(String xml, String name) {
        Matcher matcher =
                Pattern.compile("<" + name + ">([^<]*)</" + name + ">").matcher(xml);
        assertTrue(matcher.find(), name);
        return matcher.group(1);
    }

    @Test
    void theJavaCompilesAndRuns() throws Exception {
        Path model = EmbeddedModelFiles.unpack(directory.resolve("model"));
        Path records = Files.writeString(
                directory.resolve("alpaca.jsonl"),
                (TrainingFiles.record("Where does Tom live?", "In Oslo.") + "\n").repeat(8));
        Path adapter = directory.resolve("adapter");
        String source = block("java")
                .replace("models/SmolLM2-135M", model.toString())
                .replace("alpaca.jsonl", records.toString())
                .replace("out/adapter", adapter.toString());
        Path file = Files.writeString(directory.resolve("FineTune.java"), source);
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        assertNotNull(compiler, "the tests need a JDK");
        assertEquals(
                0,
                compiler.run(
                        null,
                        System.out,
                        System.err,
                        "-cp",
                        System.getProperty("java.class.path"),
                        "-proc:none",
                        file.toString()));
        try (URLClassLoader loader = new URLClassLoader(
                new URL[] {directory.toUri().toURL()}, getClass().getClassLoader())) {
            loader.loadClass("FineTune").getMethod("main", String[].class).invoke(null, (Object) new String[0]);
        }
        assertTrue(Files.exists(adapter.resolve("adapter_model.safetensors")));
        assertTrue(Files.exists(adapter.resolve("chat_template.jinja")));
    }

    @Test
    void theDependencyBlockNamesWhatIsBuilt() throws IOException {
        String xml = block("xml");
        String parent = Files.readString(ROOT.resolve("pom.xml"));
        String bom = Files.readString(ROOT.resolve("finetune-bom/pom.xml"));
        assertEquals(element(bom, "version").strip(), element(xml, "version"));
        assertEquals(element(parent, "version").strip(), element(xml, "version"));
        for (String artifact : List.of("finetune-bom", "finetune-peft")) {
            assertTrue(xml.contains("<artifactId>" + artifact + "</artifactId>"), artifact);
        }
        assertEquals(element(parent, "jackson.version"), element(bom, "jackson.version"));
    }
}
