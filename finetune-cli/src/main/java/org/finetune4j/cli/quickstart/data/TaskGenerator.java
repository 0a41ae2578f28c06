package org.finetune4j.cli.quickstart.data;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.data.format.Instruction;

/**
 * Writes the instruction task: questions about villagers with short answers. What the held-out questions ask has never been
 * asked in training, nor anything else about the people in them: the model must find it in what it read before.
 */
public final class TaskGenerator {

    /**
     * The two parts of the task.
     *
     * @param train questions about the people that are taught
     * @param heldOut questions about the others
     */
    public record Task(List<Instruction> train, List<Instruction> heldOut) {}

    private TaskGenerator() {}

    /**
     * {@return all questions about the people that are taught, and {@code heldOutRecords} about the others, in random order}
     *
     * @param seed decides the order, and which held-out questions are taken
     * @param heldOutRecords how many questions are held out
     */
    public static Task generate(long seed, int heldOutRecords) {
        Village village = new Village(CorpusGenerator.VILLAGE_SEED);
        Dice dice = new Dice(seed);
        List<Instruction> train = dice.shuffled(questions(village, village.taughtPeople()));
        List<Instruction> heldOut = dice.sample(questions(village, village.heldOutPeople()), heldOutRecords);
        return new Task(List.copyOf(train), List.copyOf(heldOut));
    }

    private static List<Instruction> questions(Village village, List<String> names) {
        List<Instruction> records = new ArrayList<>();
        for (String name : names) {
            for (Trait trait : Trait.values()) {
                for (String question : trait.questions()) {
                    records.add(new Instruction(
                            village.tell(question, name, trait), village.tell(trait.answer(), name, trait)));
                }
            }
        }
        return records;
    }
}
