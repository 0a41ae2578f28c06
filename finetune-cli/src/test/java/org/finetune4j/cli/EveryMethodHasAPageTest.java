package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.finetune4j.peft.UnbuiltPeftTypes;
import org.finetune4j.peft.merge.MergeMethod;
import org.finetune4j.rlhf.preference.loss.PairLosses;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.stage.StageProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whatever a configuration can name has a page, and a row in the status that says what proves it. */
class EveryMethodHasAPageTest {

    private static final String METHODS = "docs/methods/README.md";
    private static final String STATUS = "docs/status.md";
    private static final Pattern PAGE = Pattern.compile("\\]\\(([^)#]+\\.md)");

    static List<String> methods() {
        return FineTuningMethod.all().stream()
                .map(FineTuningMethod::name)
                .sorted()
                .toList();
    }

    static Stream<String> allNames() {
        Stream<String> stages = StageProvider.all().stream().map(StageProvider::name);
        Stream<String> optimizers = OptimizerProvider.all().stream()
                .map(provider -> provider.names().get(0));
        Stream<String> merges = Stream.of(MergeMethod.values()).map(MergeMethod::label);
        return Stream.of(methods().stream(), stages, optimizers, merges, PairLosses.NAMES.stream())
                .flatMap(names -> names);
    }

    private static boolean names(String row, String name) {
        return row.contains("`" + name + "`");
    }

    @ParameterizedTest
    @MethodSource("methods")
    void aMethodHasAPageWithFormulaPaperExamplesAndFigures(String method) {
        String row = Documentation.text(METHODS)
                .lines()
                .filter(line -> line.startsWith("|") && names(line, method))
                .findFirst()
                .orElse("");
        Matcher link = PAGE.matcher(row);
        assertTrue(link.find(), () -> METHODS + " has no row with a page for " + method);
        String page = "docs/methods/" + link.group(1);
        String text = Documentation.text(page);
        List<String> missing = new ArrayList<>();
        for (String part : List.of("```yaml\n", "```java\n", "## When", "## Measured")) {
            if (!text.contains(part)) {
                missing.add(part.strip());
            }
        }
        if (!text.matches("(?s).*(arXiv:\\d|\\w+ (et al\\.|and \\w+) \\d{4}).*")) {
            missing.add("a paper");
        }
        assertEquals(List.of(), missing, page);
    }

    @Test
    void everyTypeOfPeftThatIsNotBuiltIsNamedWithItsReason() {
        List<String> rows = Documentation.text(METHODS)
                .lines()
                .filter(line -> line.startsWith("| `"))
                .toList();
        assertEquals(
                List.of(),
                UnbuiltPeftTypes.names().stream()
                        .filter(type -> rows.stream().noneMatch(row -> names(row, type)))
                        .toList());
    }

    @ParameterizedTest
    @MethodSource("allNames")
    void aNameHasARowInTheStatus(String name) {
        assertTrue(
                Documentation.text(STATUS).lines().anyMatch(line -> line.startsWith("|") && names(line, name)),
                () -> STATUS + " has no row for " + name);
    }

    @Test
    void aNameIsExplainedSomewhereElse() {
        String pages = Documentation.pages().stream()
                .filter(page -> page.startsWith("docs/") && !page.equals(STATUS))
                .map(Documentation::text)
                .collect(Collectors.joining());
        assertEquals(List.of(), allNames().filter(name -> !names(pages, name)).toList());
    }
}
