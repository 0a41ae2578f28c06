package org.finetune4j.site;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SiteTest {

    private static final Pattern LINK = Pattern.compile("(?:href|src)=\"([^\"]+)\"");

    @TempDir
    Path output;

    @Test
    void everyLinkOfTheSiteLeadsToAPageAndItsHeading() throws IOException {
        Site.build(Path.of(".."), output);
        List<String> broken = new ArrayList<>();
        List<Path> pages;
        try (Stream<Path> files = Files.walk(output)) {
            pages = files.filter(file -> file.toString().endsWith(".html")).toList();
        }
        assertTrue(pages.size() > 40, pages.size() + " pages");
        for (Path page : pages) {
            Matcher link = LINK.matcher(Files.readString(page).replaceAll("(?s)<pre>.*?</pre>", ""));
            while (link.find()) {
                String to = link.group(1);
                if (!to.matches("[a-z]+:.*") && !to.contains("api/index.html") && !leadsSomewhere(page, to)) {
                    broken.add(output.relativize(page) + ": " + to);
                }
            }
        }
        assertEquals(List.of(), broken);
    }

    private static boolean leadsSomewhere(Path page, String link) throws IOException {
        int hash = link.indexOf('#');
        String path = hash < 0 ? link : link.substring(0, hash);
        Path to = path.isEmpty() ? page : page.resolveSibling(path).normalize();
        return Files.exists(to)
                && (hash < 0 || Files.readString(to).contains("id=\"" + link.substring(hash + 1) + "\""));
    }

    @Test
    void aNotebookShowsItsCodeAndWhatItsCellsShowed() {
        String notebook = """
                {"cells": [
                  {"cell_type": "markdown", "source": ["# Title\\n", "text"]},
                  {"cell_type": "code", "source": "int x = 1;",
                   "outputs": [{"text": ["one\\n"]}, {"data": {"text/html": "<svg/>", "text/plain": "svg"}}]}]}
                """;
        assertEquals(
                "# Title\ntext\n\n```java\nint x = 1;\n```\n\n````\none\n````\n\n<div class=\"shown\"><svg/></div>\n\n",
                Notebook.markdown(notebook));
    }
}
