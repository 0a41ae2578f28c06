package org.finetune4j.data.mixture;

import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.LabelledText;
import org.finetune4j.data.format.PlainText;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.format.PromptOnly;
import org.finetune4j.data.format.Turn;
import org.finetune4j.data.format.UnpairedPreference;

/** The words of an example, for comparing it with others: what it says, whatever template it will be put into. */
final class ExampleText {

    private static final Pattern NO_WORD = Pattern.compile("[^\\p{L}\\p{N}]+");

    private ExampleText() {}

    /** All its words, in lower case and without punctuation. */
    static String[] words(Example example) {
        return words(instruction(example) + "\n" + own(example));
    }

    /** The words of what it shares with other examples of its task: an instruction that comes with an input. */
    static String[] instructionWords(Example example) {
        return words(instruction(example));
    }

    /** The words that are its own: all but {@link #instructionWords}. */
    static String[] ownWords(Example example) {
        return words(own(example));
    }

    private static String[] words(String text) {
        String plain =
                NO_WORD.matcher(text.toLowerCase(Locale.ROOT)).replaceAll(" ").strip();
        return plain.isEmpty() ? new String[0] : plain.split(" ");
    }

    private static String instruction(Example example) {
        return example instanceof Instruction instruction
                        && !instruction.input().isEmpty()
                ? instruction.instruction()
                : "";
    }

    private static String own(Example example) {
        if (example instanceof Conversation conversation) {
            return contents(conversation.turns());
        }
        if (example instanceof Instruction instruction) {
            String input = instruction.input();
            return (input.isEmpty() ? instruction.instruction() : input) + "\n" + instruction.output();
        }
        if (example instanceof PromptCompletion texts) {
            return texts.prompt() + "\n" + texts.completion();
        }
        if (example instanceof PreferencePair pair) {
            return own(pair.chosen());
        }
        if (example instanceof UnpairedPreference judged) {
            return own(judged.example());
        }
        if (example instanceof LabelledText labelled) {
            return labelled.text() + "\n" + labelled.secondText();
        }
        if (example instanceof PromptOnly prompt) {
            return contents(prompt.turns());
        }
        return ((PlainText) example).text();
    }

    private static String contents(List<Turn> turns) {
        return turns.stream().map(Turn::content).collect(Collectors.joining("\n"));
    }
}
