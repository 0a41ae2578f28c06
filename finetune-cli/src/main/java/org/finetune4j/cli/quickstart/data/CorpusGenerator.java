package org.finetune4j.cli.quickstart.data;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Writes what the small model is pre-trained on: portraits of villagers, every time in other words. */
public final class CorpusGenerator {

    /** What is true in the village never changes, so that corpus and task speak of the same one. */
    static final long VILLAGE_SEED = 1;

    private static final List<String> WONDER_OPENINGS = List.of("Somebody asked ", "Do you know ", "I will tell you ");

    private CorpusGenerator() {}

    /**
     * {@return documents without end, the same for the same seed}
     *
     * @param seed decides every document
     */
    public static Stream<String> documents(long seed) {
        Village village = new Village(VILLAGE_SEED);
        Dice dice = new Dice(seed);
        return Stream.generate(() -> document(village, dice));
    }

    private static String document(Village village, Dice dice) {
        return dice.sample(village.people(), dice.between(1, 2)).stream()
                .map(name -> portrait(village, dice, name))
                .collect(Collectors.joining("\n"));
    }

    private static String portrait(Village village, Dice dice, String name) {
        List<String> sentences = new ArrayList<>();
        for (Trait trait : dice.sample(List.of(Trait.values()), dice.between(3, 6))) {
            boolean wonders = dice.between(1, 10) <= 3;
            String template = wonders ? dice.pick(WONDER_OPENINGS) + trait.wonder() : dice.pick(trait.statements());
            sentences.add(village.tell(template, name, trait));
        }
        return String.join(" ", sentences);
    }
}
