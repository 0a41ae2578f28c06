package org.finetune4j.cli.quickstart.data;

import java.util.ArrayList;
import java.util.List;

/**
 * Writes the task of learning from feedback: questions about villagers that can be answered shortly ({@code In Oslo.}) or in a
 * whole sentence ({@code The town is Oslo.}). A model that was taught both answers one way or the other; people prefer whole
 * sentences. Nothing about the people of the held-out questions is asked in training.
 */
public final class AnswerStyleTask {

    /**
     * A question with both of its answers.
     *
     * @param question about a villager
     * @param shortAnswer the fact alone
     * @param sentence a whole sentence that ends with the fact
     * @param taughtShort whether the first, supervised training teaches the short answer to it
     */
    public record Item(String question, String shortAnswer, String sentence, boolean taughtShort) {

        /** {@return the sentence up to the fact} */
        public String stem() {
            return sentence.substring(0, sentence.lastIndexOf(' ') + 1);
        }
    }

    /**
     * The two parts of the task.
     *
     * @param train questions about the people that are taught
     * @param heldOut questions about the others
     */
    public record Task(List<Item> train, List<Item> heldOut) {}

    private AnswerStyleTask() {}

    /**
     * {@return all questions about the people that are taught, and {@code heldOutItems} about the others, in random order}
     *
     * @param seed decides the order, which answer is taught, and which held-out questions are taken
     * @param heldOutItems how many questions are held out
     */
    public static Task generate(long seed, int heldOutItems) {
        Village village = new Village(CorpusGenerator.VILLAGE_SEED);
        Dice dice = new Dice(seed);
        List<Item> train = dice.shuffled(items(village, village.taughtPeople(), dice));
        List<Item> heldOut = dice.sample(items(village, village.heldOutPeople(), dice), heldOutItems);
        return new Task(List.copyOf(train), List.copyOf(heldOut));
    }

    private static List<Item> items(Village village, List<String> names, Dice dice) {
        List<Item> items = new ArrayList<>();
        for (String name : names) {
            for (Trait trait : Trait.values()) {
                for (String question : trait.questions()) {
                    items.add(new Item(
                            village.tell(question, name, trait),
                            village.tell(shortAnswer(trait), name, trait),
                            village.tell(sentence(trait), name, trait),
                            dice.between(0, 1) == 0));
                }
            }
        }
        return items;
    }

    private static String shortAnswer(Trait trait) {
        return trait == Trait.FOOD ? "{value}." : trait.answer();
    }

    private static String sentence(Trait trait) {
        return switch (trait) {
            case JOB -> "The job is {value}.";
            case TOWN -> "The town is {value}.";
            case ANIMAL -> "The pet is a {value}.";
            case COLOUR -> "The favourite colour is {value}.";
            case FOOD -> "The favourite food is {value}.";
            case DAY -> "The market day is {value}.";
        };
    }
}
