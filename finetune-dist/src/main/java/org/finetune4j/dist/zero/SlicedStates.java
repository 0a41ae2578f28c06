package org.finetune4j.dist.zero;

import java.util.Collection;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.zero.ModelParts.SharedExperts;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.optimizer.Optimizer;
import org.jspecify.annotations.Nullable;

/**
 * The optimizer's states of parameters of which ranks have slices, and ranks of the data axis parts of these. The first rank gathers
 * them one by one and writes them whole, so that any number of ranks can go on from them.
 */
final class SlicedStates {

    private final Communicator world;
    private final Communicator data;
    private final ModelParts parts;
    private final FirstRank first;
    private final GroupMessages messages;
    private final List<Parameter> sliced;
    private final StateOwners owners;
    private final IdentityHashMap<Parameter, Integer> numbers = new IdentityHashMap<>();
    private @Nullable Optimizer optimizer;
    private @Nullable GradientSharing gradients;

    /**
     * @param world all ranks
     * @param data those with the same slices
     * @param trainable of which some are slices
     */
    SlicedStates(
            Communicator world, Communicator data, ModelParts parts, FirstRank first, Collection<Parameter> trainable) {
        this.world = world;
        this.data = data;
        this.parts = parts;
        this.first = first;
        this.messages = new GroupMessages(world);
        this.sliced = trainable.stream()
                .filter(parameter -> parameter.slice() != null)
                .toList();
        this.owners = new StateOwners(trainable);
        for (int i = 0; i < sliced.size(); i++) {
            numbers.put(sliced.get(i), i);
        }
        first.onState(this::help);
    }

    /**
     * Says whose states they are.
     *
     * @param sharing what of them this rank saves
     */
    void of(Optimizer made, GradientSharing sharing) {
        optimizer = made;
        gradients = sharing;
    }

    /** The number of the slice whose state has this name, or -1. */
    private int owner(String name) {
        Parameter owner = owners.of(name);
        return owner == null ? -1 : numbers.getOrDefault(owner, -1);
    }

    /**
     * What this rank saves: slices are made whole, and what ranks have alike is one rank's.
     *
     * @param own what this rank's share of the states is
     */
    Map<String, ParameterPart> held(Map<String, ParameterPart> own) {
        Map<String, ParameterPart> held = new LinkedHashMap<>();
        own.forEach((name, part) -> {
            int owner = owner(name);
            if (owner < 0 && parts.isFirst()) {
                held.put(name, part);
            } else if (owner >= 0 && world.rank() == 0) {
                // Another rank may have no part of this one to tell the type by.
                held.put(name, ParameterPart.whole(gatheredByAll(owner, line(name, part))));
            }
        });
        if (world.rank() == 0) {
            addElsewhere(own, held);
        }
        Communicator stage = parts.stage();
        if (stage != null) {
            gatherIn(stage, own, held);
        }
        return held;
    }

    /** What ranks tell each other of a state before they gather it. */
    private static String line(String name, ParameterPart part) {
        return name + " " + part.values().dtype().name() + " " + part.isWhole();
    }

    private Tensor gatheredByAll(int owner, String line) {
        first.beforeState(owner);
        messages.of(0, line);
        return ofLine(owner, line);
    }

    /** Of experts that others have, and of slices that others alone update: which states there are, only they know. */
    private void addElsewhere(Map<String, ParameterPart> own, Map<String, ParameterPart> held) {
        if (sliced.stream().noneMatch(this::mayBeElsewhere)) {
            return;
        }
        first.beforeState(-1);
        for (String line : linesOf(messages.all(""))) {
            String name = name(line);
            if (!own.containsKey(name)) {
                held.put(name, ParameterPart.whole(gatheredByAll(owner(name), line)));
            }
        }
    }

    private boolean mayBeElsewhere(Parameter parameter) {
        SharedExperts experts = parts.experts();
        return (experts != null && experts.owns(parameter)) || holder(parameter) >= 0;
    }

    private int holder(Parameter parameter) {
        GradientSharing sharing = gradients;
        return sharing == null ? -1 : sharing.holder(parameter);
    }

    /** On another rank: the states that this one has and the first one perhaps has not. */
    private String elsewhere() {
        Optimizer made = optimizer;
        GradientSharing sharing = gradients;
        if (made == null || sharing == null || parts.stage() != null) {
            return "";
        }
        StringBuilder lines = new StringBuilder();
        sharing.held(made.state()).forEach((name, part) -> {
            Parameter owner = owners.of(name);
            if (owner != null && owner.slice() != null && owner.numel() > 0 && mayBeElsewhere(owner)) {
                lines.append(line(name, part)).append('\n');
            }
        });
        return lines.toString();
    }

    private static List<String> linesOf(List<String> texts) {
        return texts.stream().flatMap(String::lines).distinct().toList();
    }

    private static String name(String line) {
        return line.substring(0, line.lastIndexOf(' ', line.lastIndexOf(' ') - 1));
    }

    private Tensor ofLine(int owner, String line) {
        String name = name(line);
        String[] kind = line.substring(name.length() + 1).split(" ", -1);
        return ofAll(owner, name, DType.valueOf(kind[0]), Boolean.parseBoolean(kind[1]));
    }

    /** All ranks of another stage than the first are here together. */
    private void gatherIn(Communicator stage, Map<String, ParameterPart> own, Map<String, ParameterPart> held) {
        StringBuilder names = new StringBuilder();
        own.forEach((name, part) -> {
            if (owner(name) >= 0) {
                names.append(line(name, part)).append('\n');
            }
        });
        for (String line : linesOf(new GroupMessages(stage).all(names.toString()))) {
            Tensor whole = ofLine(owner(name(line)), line);
            if (stage.rank() == 0) {
                held.put(name(line), ParameterPart.whole(whole));
            }
        }
    }

    /** On another rank: gives what it has of a state; with no number, says which states the first one may not have. */
    private void help(int owner) {
        if (owner < 0) {
            messages.all(elsewhere());
            return;
        }
        String line = messages.of(0, "");
        if (parts.stage() == null) {
            try (TensorScope scope = TensorScope.open()) {
                ofLine(owner, line);
            }
        }
    }

    /** Gathers a state of which this rank may have no part. */
    private Tensor ofAll(int owner, String name, DType dtype, boolean isSlice) {
        Optimizer made = optimizer;
        if (made == null) {
            throw new IllegalStateException("no optimizer has been made yet");
        }
        Tensor state = made.state().get(name);
        Parameter parameter = sliced.get(owner);
        if (state != null) {
            return gathered(owner, state.detach(), isSlice);
        }
        long[] nothing = isSlice ? parameter.shape() : new long[1];
        return gathered(owner, Tensors.zeros(dtype, parameter.device(), nothing), isSlice);
    }

    private Tensor gathered(int owner, Tensor state, boolean isSlice) {
        Parameter parameter = sliced.get(owner);
        ParameterSlice slice = parameter.slice();
        if (slice == null) {
            throw new IllegalStateException(parameter.name() + " is no slice any more");
        }
        Tensor own = isSlice ? ofHolder(parameter, state) : ofDataRanks(parameter, state);
        try (Parameter carrier = new Parameter(parameter.name(), own.detach().copy())) {
            return slice.axis().gather(carrier, slice.dimension(), own.dtype());
        }
    }

    /** The ranks that have the same slice. */
    private Communicator sharers(Parameter parameter) {
        SharedExperts experts = parts.experts();
        return experts != null && experts.owns(parameter) ? experts.copies() : data;
    }

    /** The slice's state, which one rank of the data axis may have alone. */
    private Tensor ofHolder(Parameter parameter, Tensor state) {
        int holder = holder(parameter);
        if (holder < 0 || parameter.numel() == 0) {
            return state;
        }
        Tensor shared = state.contiguous().copy();
        sharers(parameter).broadcast(shared, holder).await();
        return shared;
    }

    /** The slice whose parts the ranks of the data axis have, the last ones filled up. */
    private Tensor ofDataRanks(Parameter parameter, Tensor part) {
        Communicator holders = sharers(parameter);
        if (parameter.numel() == 0) {
            return Tensors.zeros(part.dtype(), part.device(), parameter.shape());
        }
        long length = (parameter.numel() + holders.size() - 1) / holders.size();
        Tensor filled = Tensors.zeros(part.dtype(), part.device(), length);
        long count = Math.min(length, part.numel());
        filled.narrow(0, 0, count).copyInPlace(part.contiguous().view(-1).narrow(0, 0, count));
        Tensor all = Tensors.zeros(part.dtype(), part.device(), length * holders.size());
        holders.allGather(filled, all).await();
        return all.narrow(0, 0, parameter.numel()).view(parameter.shape());
    }

    /**
     * This rank's slice of a state that was saved whole.
     *
     * @param name of the state
     * @param whole all of it
     */
    Tensor of(String name, Tensor whole) {
        int owner = owner(name);
        return owner < 0 ? whole : sliced.get(owner).ownPart(whole).contiguous();
    }
}
