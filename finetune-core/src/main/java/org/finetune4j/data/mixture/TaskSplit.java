package org.finetune4j.data.mixture;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DatasetSplit;
import org.finetune4j.data.SeededShuffle;
import org.finetune4j.data.examples.ExampleDataset;

/** Sets whole tasks aside, so that evaluation measures tasks that the model has never trained on (FLAN, T0). */
public final class TaskSplit {

    // No record has this number: the choice of tasks is unrelated to that of templates.
    private static final long STREAM = -2;

    private TaskSplit() {}

    /**
     * {@return all tasks, in the order in which they come}
     *
     * @param dataset examples with their tasks
     */
    public static Set<String> tasks(ExampleDataset dataset) {
        Set<String> tasks = new LinkedHashSet<>();
        for (int i = 0; i < dataset.size(); i++) {
            tasks.add(dataset.task(i));
        }
        return tasks;
    }

    /**
     * Sets the named tasks aside.
     *
     * @param dataset examples with their tasks
     * @param heldOut names of tasks
     * @return the other tasks, and the named ones
     * @throws UserErrorException when there is no such task (with the nearest name), or nothing is left to train on
     */
    public static DatasetSplit<ExampleDataset> named(ExampleDataset dataset, List<String> heldOut) {
        Set<String> tasks = tasks(dataset);
        for (String task : heldOut) {
            if (!tasks.contains(task)) {
                throw new UserErrorException(
                        "no task '" + task + "' to hold out" + Suggestions.didYouMean(task, tasks));
            }
        }
        return split(dataset, Set.copyOf(heldOut));
    }

    /**
     * Sets a fraction of the tasks aside, at least one, chosen by the seed.
     *
     * @param dataset examples with their tasks
     * @param fraction between 0 and 1
     * @param seed decides which tasks are set aside
     * @return the other tasks, and those set aside
     * @throws UserErrorException when that leaves no task to train on
     */
    public static DatasetSplit<ExampleDataset> random(ExampleDataset dataset, double fraction, long seed) {
        List<String> tasks = new ArrayList<>(tasks(dataset));
        int count = Math.max(1, (int) Math.round(fraction * tasks.size()));
        if (!(fraction > 0 && fraction < 1) || count >= tasks.size()) {
            throw new UserErrorException("cannot hold out a fraction of " + fraction + " of " + tasks.size()
                    + (tasks.size() == 1 ? " task" : " tasks") + ": both parts need at least one");
        }
        int[] order = SeededShuffle.permutation(tasks.size(), seed, STREAM);
        return split(
                dataset,
                Set.copyOf(IntStream.range(0, count)
                        .mapToObj(i -> tasks.get(order[i]))
                        .toList()));
    }

    private static DatasetSplit<ExampleDataset> split(ExampleDataset dataset, Set<String> heldOut) {
        int[] train = IntStream.range(0, dataset.size())
                .filter(i -> !heldOut.contains(dataset.task(i)))
                .toArray();
        int[] evaluation = IntStream.range(0, dataset.size())
                .filter(i -> heldOut.contains(dataset.task(i)))
                .toArray();
        return new DatasetSplit<>(dataset.select(train), dataset.select(evaluation));
    }
}
