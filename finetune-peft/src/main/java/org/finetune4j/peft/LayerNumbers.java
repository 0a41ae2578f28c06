package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.regex.RegularExpression;

/**
 * PEFT's {@code layers_to_transform} with {@code layers_pattern}: in which of the layers of a model modules are adapted. The
 * number of a module's layer is the first one in its path that follows a list's name: what follows may be the number of an
 * expert.
 *
 * @param numbers of the layers, from 0; empty for all
 * @param lists regular expressions for the names that the list of layers may have; empty for any name
 */
public record LayerNumbers(List<Integer> numbers, List<String> lists) {

    static final String NUMBERS = "layers_to_transform";
    static final String LISTS = "layers_pattern";

    private static final LayerNumbers ALL = new LayerNumbers(List.of(), List.of());
    private static final String NUMBER = "idx";
    private static final String ANY_LIST = ".*?\\.[^.]*\\.(?P<idx>\\d+)\\.";

    /**
     * Keeps copies of the lists; an empty name stands for any, as PEFT has it.
     *
     * @param numbers of the layers, from 0; empty for all
     * @param lists regular expressions for the names that the list of layers may have; empty for any name
     */
    public LayerNumbers {
        numbers = List.copyOf(numbers);
        lists = lists.stream().filter(name -> !name.isEmpty()).toList();
        lists.forEach(list -> RegularExpression.compile(LISTS, expression(list)));
    }

    /**
     * No restriction.
     *
     * @return all layers
     */
    public static LayerNumbers all() {
        return ALL;
    }

    /**
     * Reads PEFT's keys.
     *
     * @param settings a user's or an adapter's
     * @return what they say
     * @throws UserErrorException when a number is none, or there are names of lists and no numbers
     */
    static LayerNumbers from(Settings settings) {
        List<Integer> numbers = new ArrayList<>();
        for (String text : settings.texts(NUMBERS)) {
            try {
                numbers.add(Integer.parseInt(text));
            } catch (NumberFormatException e) {
                throw settings.invalid(NUMBERS, "numbers of layers");
            }
        }
        LayerNumbers layers = new LayerNumbers(numbers, settings.texts(LISTS));
        if (!layers.lists.isEmpty() && !settings.has(NUMBERS)) {
            throw new UserErrorException(settings.origin() + ": '" + LISTS + "' says where the numbers of '" + NUMBERS
                    + "' stand: name both");
        }
        return layers;
    }

    /**
     * Whether the module at a path lies in one of the layers.
     *
     * @param path the module's path in the model
     * @return whether it is to be adapted
     */
    boolean include(String path) {
        if (numbers.isEmpty()) {
            return true;
        }
        if (lists.isEmpty()) {
            return includes(numberIn(ANY_LIST, path));
        }
        return includes(lists.stream()
                .map(list -> numberIn(expression(list), path))
                .flatMap(Optional::stream)
                .findFirst());
    }

    private boolean includes(Optional<String> number) {
        // A number of more digits than any layer has is no number of a layer.
        return number.filter(digits -> digits.length() < 10)
                .map(digits -> numbers.contains(Integer.parseInt(digits)))
                .orElse(false);
    }

    private static String expression(String list) {
        return "(?:^|.*?\\.)" + list + "\\.(?P<idx>\\d+)\\.";
    }

    private static Optional<String> numberIn(String expression, String path) {
        return RegularExpression.compile(LISTS, expression).group(path, NUMBER);
    }
}
