package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Links between the pages lead somewhere, to the heading that they name. */
class DocumentationLinksTest {

    private static final Pattern LINK =
            Pattern.compile("\\]\\(([^)\\s]+)(?:\\s+\"[^\"]*\")?\\)|(?:href|src)=\"([^\"]+)\"");
    private static final Pattern HEADING = Pattern.compile("#{1,6}\\s+(.*?)\\s*#*");

    @Test
    void noLinkOfThePagesIsBroken() {
        List<String> problems = new ArrayList<>();
        for (String page : Documentation.pages()) {
            List<String> lines = Documentation.prose(page).lines();
            for (int i = 0; i < lines.size(); i++) {
                Matcher link = LINK.matcher(lines.get(i).replaceAll("`[^`]*`", ""));
                while (link.find()) {
                    String target = Objects.requireNonNullElseGet(link.group(1), () -> link.group(2));
                    if (!target.matches("[a-z]+:.*") && !leadsSomewhere(page, target)) {
                        problems.add(page + ":" + (i + 1) + ": " + target);
                    }
                }
            }
        }
        assertEquals("", String.join("\n", problems));
    }

    @Test
    void everyPageIsReachedFromAnother() {
        Set<String> alone = new TreeSet<>(Documentation.pages());
        alone.remove("README.md");
        for (String page : Documentation.pages()) {
            Matcher link = LINK.matcher(Documentation.text(page));
            while (link.find()) {
                String target = Objects.requireNonNullElseGet(link.group(1), () -> link.group(2));
                String to = target.replaceFirst("#.*", "");
                if (!to.isEmpty() && !to.matches("[a-z]+:.*") && !file(page, to).equals(Path.of(page))) {
                    alone.remove(file(page, to).toString().replace('\\', '/'));
                }
            }
        }
        assertEquals(Set.of(), alone, "pages without a link to them");
    }

    private static Path file(String page, String target) {
        Path directory = Objects.requireNonNullElse(Path.of(page).getParent(), Path.of(""));
        return directory.resolve(target).normalize();
    }

    private static boolean leadsSomewhere(String page, String target) {
        int hash = target.indexOf('#');
        String path = hash < 0 ? target : target.substring(0, hash);
        String to = path.isEmpty() ? page : file(page, path).toString();
        if (!Files.exists(Documentation.ROOT.resolve(to))) {
            return false;
        }
        return hash < 0 || anchors(to).contains(target.substring(hash + 1));
    }

    /** The names that GitHub gives to headings. */
    private static Set<String> anchors(String page) {
        Set<String> anchors = new TreeSet<>();
        Map<String, Integer> counts = new HashMap<>();
        for (String line : Documentation.prose(page).lines()) {
            Matcher heading = HEADING.matcher(line);
            if (heading.matches()) {
                String text = heading.group(1)
                        .replaceAll("\\[([^\\]]*)\\]\\([^)]*\\)", "$1")
                        .toLowerCase(Locale.ROOT);
                String name = text.replaceAll("[^\\p{L}\\p{N}_ -]", "").replace(' ', '-');
                int before = counts.merge(name, 1, Integer::sum) - 1;
                anchors.add(before == 0 ? name : name + "-" + before);
            }
        }
        return anchors;
    }
}
