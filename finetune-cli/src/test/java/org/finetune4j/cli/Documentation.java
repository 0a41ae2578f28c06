package org.finetune4j.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The pages of the documentation and what is written in them as code. */
final class Documentation {

    static final Path ROOT = Path.of("..");

    private static final Pattern FENCE = Pattern.compile("\\s*```(\\S*)\\s*");
    private static final Pattern INLINE_CODE = Pattern.compile("`([^`]+)`");

    private Documentation() {}

    /**
     * Code between two fences.
     *
     * @param page the file, from the project's root
     * @param line of the first line of code, counted from 1
     * @param language what stands at the fence, empty where nothing does
     * @param code all lines
     */
    record Block(String page, int line, String language, String code) {

        @Override
        public String toString() {
            return page + ":" + line;
        }
    }

    /**
     * A page without its blocks.
     *
     * @param page the file, from the project's root
     * @param lines the page's, those of blocks empty
     */
    record Prose(String page, List<String> lines) {

        /** What stands between single backquotes, with its place. */
        List<Block> inlineCode() {
            List<Block> found = new ArrayList<>();
            for (int i = 0; i < lines.size(); i++) {
                Matcher matcher = INLINE_CODE.matcher(lines.get(i));
                while (matcher.find()) {
                    found.add(new Block(page, i + 1, "", matcher.group(1)));
                }
            }
            return found;
        }
    }

    /** The README, the pages below docs and the examples' own. */
    static List<String> pages() {
        List<String> pages = new ArrayList<>(List.of("README.md", "CONTRIBUTING.md"));
        for (String directory : List.of("docs", "examples")) {
            try (Stream<Path> files = Files.walk(ROOT.resolve(directory))) {
                files.filter(file -> file.toString().endsWith(".md"))
                        .filter(file -> !file.toString().contains("target"))
                        .map(file -> ROOT.relativize(file).toString().replace('\\', '/'))
                        .sorted()
                        .forEach(pages::add);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return pages;
    }

    static String text(String page) {
        try {
            return Files.readString(ROOT.resolve(page));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** All blocks of all pages. */
    static List<Block> blocks() {
        return pages().stream().flatMap(page -> blocks(page).stream()).toList();
    }

    /** The blocks in a language, the first word at their fence. */
    static List<Block> blocks(List<String> languages) {
        return blocks().stream()
                .filter(block -> languages.contains(block.language()))
                .toList();
    }

    private static List<Block> blocks(String page) {
        List<Block> blocks = new ArrayList<>();
        read(page, blocks);
        return blocks;
    }

    static Prose prose(String page) {
        return read(page, new ArrayList<>());
    }

    private static Prose read(String page, List<Block> blocks) {
        List<String> prose = new ArrayList<>();
        List<String> code = new ArrayList<>();
        String language = null;
        int start = 0;
        List<String> lines = text(page).lines().toList();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            Matcher fence = FENCE.matcher(line);
            boolean inside = language != null;
            if (fence.matches()) {
                if (inside) {
                    blocks.add(
                            new Block(page, start, Objects.requireNonNull(language), String.join("\n", code) + "\n"));
                    language = null;
                } else {
                    language = fence.group(1);
                    start = i + 2;
                    code.clear();
                }
            } else if (inside) {
                code.add(line);
            } else if (line.startsWith("    ") && !line.isBlank() && i > 0 && isCodeBefore(lines, i)) {
                blocks.add(new Block(page, i + 1, "", line.strip() + "\n"));
                prose.add("");
                continue;
            }
            prose.add(inside || fence.matches() ? "" : line);
        }
        return new Prose(page, prose);
    }

    /** Whether an indented line belongs to a block of code: nothing, or such a line, is above it. */
    private static boolean isCodeBefore(List<String> lines, int line) {
        int above = line - 1;
        while (above >= 0
                && lines.get(above).startsWith("    ")
                && !lines.get(above).isBlank()) {
            above--;
        }
        return above >= 0 && lines.get(above).isBlank();
    }
}
