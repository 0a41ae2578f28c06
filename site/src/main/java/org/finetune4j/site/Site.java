package org.finetune4j.site;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * The documentation as HTML: every page that the project has in Markdown, the notebooks with what their cells showed, the files
 * that pages link to, and the Javadoc of all modules.
 */
public final class Site {

    /** The page whose list of all others stands beside each of them. */
    private static final String CONTENTS = "docs/README.md";

    private final Path root;
    private final Path output;
    private final MarkdownPages markdown;

    private Site(Path root, Path output) {
        this.root = root.normalize();
        this.output = output;
        this.markdown = new MarkdownPages(this.root);
    }

    /**
     * Makes the site.
     *
     * @param args the project's root, and the directory that is written
     */
    public static void main(String[] args) {
        Path root = Path.of(args[0]);
        Path output = Path.of(args[1]);
        build(root, output);
        javadoc(root, output.resolve("api"));
        System.out.println(output.normalize().resolve("index.html"));
    }

    /**
     * Writes everything but the Javadoc.
     *
     * @param root of the project
     * @param output the directory that is written
     */
    public static void build(Path root, Path output) {
        new Site(root, output).write();
    }

    private void write() {
        Map<String, String> pages = new TreeMap<>();
        for (String page : sources()) {
            String text = read(page);
            pages.put(page, page.endsWith(".ipynb") ? Notebook.markdown(text) : text);
        }
        String contents = Objects.requireNonNull(pages.get(CONTENTS), CONTENTS);
        pages.forEach((page, text) -> {
            String list = markdown.render(CONTENTS, page, contents, this::copy);
            String body = markdown.render(page, page, text, this::copy);
            String title = MarkdownPages.title(text, page);
            put(MarkdownPages.target(page), Layout.page(title, MarkdownPages.up(page), list, body));
        });
        put(Layout.STYLE_FILE, Layout.STYLE);
    }

    private List<String> sources() {
        List<String> sources = new ArrayList<>(List.of("README.md", "CONTRIBUTING.md", "CHANGELOG.md"));
        for (String directory : List.of("docs", "examples")) {
            try (Stream<Path> files = Files.walk(root.resolve(directory))) {
                files.map(file -> root.relativize(file).toString().replace('\\', '/'))
                        .filter(name -> name.endsWith(".md") || name.endsWith(".ipynb"))
                        .filter(name -> !name.contains("/target/") && !name.contains(".ipynb_checkpoints"))
                        .sorted()
                        .forEach(sources::add);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return sources;
    }

    private String read(String page) {
        try {
            return Files.readString(root.resolve(page));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void put(String name, String text) {
        try {
            Path file = output.resolve(name);
            Files.createDirectories(Objects.requireNonNull(file.getParent()));
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Takes a file or directory that a page links to into the site. */
    private void copy(String name) {
        Path source = root.resolve(name);
        try {
            Files.walkFileTree(source, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes) {
                    return directory.endsWith("target") ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Path target = output.resolve(root.relativize(file));
                    Files.createDirectories(Objects.requireNonNull(target.getParent()));
                    Files.copy(file, target, StandardCopyOption.REPLACE_EXISTING);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** One Javadoc of all modules that others program against. */
    private static void javadoc(Path root, Path output) {
        ToolProvider javadoc = ToolProvider.findFirst("javadoc").orElseThrow();
        String sources = Stream.of("core", "peft", "quant", "rlhf", "dist", "serve")
                .map(module ->
                        root.resolve("finetune-" + module + "/src/main/java").toString())
                .reduce((left, right) -> left + System.getProperty("path.separator") + right)
                .orElseThrow();
        int problems = javadoc.run(
                System.out,
                System.err,
                "-quiet",
                "-notimestamp",
                "-Xdoclint:all",
                "-Werror",
                "-encoding",
                "UTF-8",
                "-doctitle",
                "Finetune4j",
                "-windowtitle",
                "Finetune4j",
                "-classpath",
                System.getProperty("java.class.path"),
                "-sourcepath",
                sources,
                "-subpackages",
                "org.finetune4j",
                "-d",
                output.toString());
        if (problems != 0) {
            throw new IllegalStateException("the Javadoc has problems, see above");
        }
    }
}
