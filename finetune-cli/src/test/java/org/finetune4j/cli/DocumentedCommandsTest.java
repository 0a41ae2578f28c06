package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.Suggestions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** Every {@code ./finetune} line of the pages names a command that there is, with options that it has. */
class DocumentedCommandsTest {

    private static final Pattern CALL = Pattern.compile("(?:^|[\\s;&|(])(?:\\./)?finetune\\s+(.*)");
    private static final Pattern WORD = Pattern.compile("\"[^\"]*\"|'[^']*'|\\S+");

    private static final CommandSpec FINETUNE = new CommandLine(new FinetuneCommand()).getCommandSpec();

    @Test
    void everyCommandOfThePagesIsThereWithItsOptions() {
        List<String> problems = new ArrayList<>();
        int calls = 0;
        for (String page : Documentation.pages()) {
            List<Documentation.Block> code =
                    new ArrayList<>(Documentation.prose(page).inlineCode());
            code.removeIf(inline -> !inline.code().startsWith("./finetune "));
            code.addAll(Documentation.blocks().stream()
                    .filter(block ->
                            block.page().equals(page) && List.of("", "sh").contains(block.language()))
                    .toList());
            for (Documentation.Block block : code) {
                for (String line : block.code().replace("\\\n", " ").split("\n", -1)) {
                    Matcher call = CALL.matcher(line);
                    if (call.find()) {
                        calls++;
                        String problem = problem(call.group(1));
                        if (!problem.isEmpty()) {
                            problems.add(block + ": " + line.strip() + ": " + problem);
                        }
                    }
                }
            }
        }
        assertEquals("", String.join("\n", problems));
        assertTrue(calls > 50, calls + " calls were found");
    }

    @ParameterizedTest
    @CsvSource({
        "train my.yaml learning_rate=1e-4 | tee log,''",
        "bench --models DIR,no command '--models'",
        "trian my.yaml,no command 'trian'; did you mean 'train'?",
        "merge --modle DIR,no option '--modle' of merge; did you mean '--model'?",
    })
    void aWrongCommandOrOptionIsFound(String call, String problem) {
        assertEquals(problem, problem(call));
    }

    /** What is wrong with a call, nothing if all is well. */
    private static String problem(String call) {
        CommandSpec command = FINETUNE;
        Matcher words = WORD.matcher(call.replaceFirst("(^|\\s)#.*", "").replaceFirst("\\s[|>;&].*", ""));
        boolean first = true;
        while (words.find()) {
            String word = words.group().replaceAll("^[\\[(]+|[\\]),.]+$", "");
            CommandLine below = command.subcommands().get(word);
            if (below != null && first) {
                command = below.getCommandSpec();
            } else if (first && !command.subcommands().isEmpty() && !word.matches("[A-Z.].*|-h|-V|--help|--version|")) {
                return "no command '" + word + "'"
                        + Suggestions.didYouMean(word, command.subcommands().keySet());
            } else {
                first = false;
                String option = word.replaceFirst("=.*", "");
                if (option.matches("-{1,2}[a-zA-Z].*") && !command.optionsMap().containsKey(option)) {
                    return "no option '" + option + "' of " + command.name()
                            + Suggestions.didYouMean(
                                    option, command.optionsMap().keySet());
                }
            }
        }
        return "";
    }
}
