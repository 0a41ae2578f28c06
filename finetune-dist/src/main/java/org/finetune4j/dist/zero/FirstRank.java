package org.finetune4j.dist.zero;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.CommunicationException;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.objective.SharedWork;

/**
 * What the first rank does while the others wait for it and do as it says: help it to gather a parameter, do their part of a
 * checkpoint, go on.
 */
final class FirstRank {

    private static final int GATHER = 0;
    private static final int WORK = 1;
    private static final int DONE = 2;
    private static final int FAILED = 3;
    private static final int REFUSED = 4;
    private static final int STATE = 5;

    private final Communicator world;
    private final GroupMessages messages;
    private final ModelParts parts;
    private final List<Runnable> gathered = new ArrayList<>();
    private final IdentityHashMap<Parameter, Integer> divided = new IdentityHashMap<>();
    private final IdentityHashMap<Parameter, Integer> apart = new IdentityHashMap<>();
    private IntConsumer states = number -> {};
    private boolean working;
    private boolean gathering;

    /**
     * @param world all ranks of the training
     * @param parts what they have of one model
     */
    FirstRank(Communicator world, ModelParts parts) {
        this.world = world;
        this.parts = parts;
        this.messages = new GroupMessages(world);
    }

    /** Adds a parameter that ranks hold together, and gives its number. */
    int add(Parameter parameter) {
        gathered.add(() -> parameter.whole(parameter.dtype()));
        return gathered.size() - 1;
    }

    /** Adds a parameter whose values only some ranks have. */
    void addApart(Parameter parameter) {
        gathered.add(() -> parts.borrow(parameter).close());
        apart.put(parameter, gathered.size() - 1);
    }

    /** Called before values that are apart are borrowed. */
    void beforeBorrowing(Parameter parameter) {
        Integer number = apart.get(parameter);
        if (number != null) {
            beforeGathering(number);
        }
    }

    /** Adds a parameter of which ranks have slices. */
    void addDivided(Parameter parameter) {
        divided.put(parameter, add(parameter));
    }

    /** Says what another rank does when the first one gathers the optimizer's state of a number. */
    void onState(IntConsumer gather) {
        states = gather;
    }

    /** Called on the first rank before it gathers that state, or with -1 before it asks which states others have. */
    void beforeState(int number) {
        if (working && world.rank() == 0) {
            command(STATE, number);
        }
    }

    /** Brings slices together; the parts that a rank's slice may be in come together within that. */
    Tensor gatherDivided(Parameter parameter, Supplier<Tensor> exchange) {
        Integer number = divided.get(parameter);
        if (number == null) {
            return exchange.get();
        }
        beforeGathering(number);
        boolean outer = gathering;
        gathering = true;
        try (ModelParts.Loan loan = parts.borrow(parameter)) {
            return exchange.get();
        } finally {
            gathering = outer;
        }
    }

    /** Called on every rank before a parameter is gathered: while the first rank works, the others are told of it. */
    void beforeGathering(int number) {
        if (working && !gathering && world.rank() == 0) {
            command(GATHER, number);
        }
    }

    /** Does something on the first rank, with the others' help; inside of such work it is just done. */
    void run(SharedWork work) {
        if (world.rank() > 0) {
            serve(work);
        } else if (working) {
            runHere(work);
        } else {
            lead(work);
        }
    }

    private void lead(SharedWork work) {
        working = true;
        try {
            runHere(work);
        } catch (CommunicationException e) {
            throw e; // nobody is left to be told
        } catch (RuntimeException | Error e) {
            command(e instanceof UserErrorException ? REFUSED : FAILED, 0);
            messages.of(0, Reasons.of(e));
            throw e;
        } finally {
            working = false;
        }
        command(DONE, 0);
    }

    private void runHere(SharedWork work) {
        try {
            work.first(this::letOthersWork);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void letOthersWork(Path directory) {
        command(WORK, 0);
        messages.of(0, directory.toString());
        throwFirst(messages.all(""));
    }

    /** On another rank: as the first one says, until it is done. */
    private void serve(SharedWork work) {
        while (true) {
            double[] command = messages.of(0, 0, 0);
            switch ((int) command[0]) {
                case GATHER -> gather((int) command[1]);
                case STATE -> states.accept((int) command[1]);
                case WORK -> throwFirst(messages.all(failure(work, Path.of(messages.of(0, "")))));
                case REFUSED -> throw new UserErrorException(messages.of(0, ""));
                case FAILED -> throw new FinetuneException("rank 0 failed: " + messages.of(0, ""));
                default -> {
                    return;
                }
            }
        }
    }

    private void gather(int number) {
        try (TensorScope scope = TensorScope.open()) {
            gathered.get(number).run();
        }
    }

    private static String failure(SharedWork work, Path directory) {
        try {
            work.other(directory);
            return "";
        } catch (IOException | RuntimeException e) {
            return Reasons.of(e);
        }
    }

    private static void throwFirst(List<String> failures) {
        for (int rank = 0; rank < failures.size(); rank++) {
            if (!failures.get(rank).isEmpty()) {
                throw new UserErrorException("rank " + rank + ": " + failures.get(rank));
            }
        }
    }

    private void command(int kind, int number) {
        messages.tell(kind, number);
    }
}
