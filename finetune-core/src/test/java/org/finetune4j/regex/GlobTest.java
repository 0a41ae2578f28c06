package org.finetune4j.regex;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GlobTest {

    private static final List<Path> PATHS = List.of(
            Path.of("a.json"),
            Path.of("data/a.json"),
            Path.of("data/b.jsonl"),
            Path.of("data/deep/er/a.json"),
            Path.of("data/[x].json"),
            Path.of("data/a,b.json"),
            Path.of("data/c&d (1).csv"));

    @ParameterizedTest
    @ValueSource(
            strings = {
                "*.json",
                "data/*.json*",
                "data/**.json",
                "data/**/*.json",
                "data/?.json",
                "data/[ab].json",
                "data/[!a].json",
                "data/[a-c].json*",
                "{data/,}a.json",
                "data/*.{json,csv}",
                "data/\\[x\\].json",
                "data/*,*.json",
                "data/*(1)*",
                "data/c&d*",
            })
    void matchesWhatJavasPatternsMatch(String pattern) {
        var expected = FileSystems.getDefault().getPathMatcher("glob:" + pattern);
        Glob glob = Glob.of(pattern);
        assertEquals(
                PATHS.stream().filter(expected::matches).toList(),
                PATHS.stream().filter(glob::matches).toList());
    }

    @ParameterizedTest
    @ValueSource(strings = {"[[", "data/[", "{a", "{a,{b}}", "data/*.json\\", "[a"})
    void refusesWhatIsNotClosed(String pattern) {
        assertThrows(UserErrorException.class, () -> Glob.of(pattern));
    }

    @Test
    void manyStarsAreLittleWork() {
        Glob glob = Glob.of("*a".repeat(100) + "b");
        assertTimeoutPreemptively(Duration.ofSeconds(30), () -> assertFalse(glob.matches(Path.of("a".repeat(250)))));
    }
}
