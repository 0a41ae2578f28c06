package org.finetune4j.dist.zero;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
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
    private @Nullable Optimizer optimizer;

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
        first.onState(this::help);
    }

    /** Says whose states they are. */
    void of(Optimizer made) {
        optimizer = made;
    }

    /** The number of the slice whose state has this name, or -1: the one with the longest name that it begins with. */
    private int owner(String name) {
        int found = -1;
        for (int i = 0; i < sliced.size(); i++) {
            String candidate = sliced.get(i).name();
            boolean longer =
                    found < 0 || candidate.length() > sliced.get(found).name().length();
            found = longer && name.startsWith(candidate + ".") ? i : found;
        }
        return found;
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
                first.beforeState(owner);
                String rest = name.substring(sliced.get(owner).name().length());
                DType dtype = part.values().dtype();
                // Another rank may have no part of this one to tell the type by.
                messages.of(0, rest + " " + dtype.name() + " " + part.isWhole());
                held.put(name, ParameterPart.whole(gathered(owner, part.values(), part.isWhole())));
            }
        });
        Communicator stage = parts.stage();
        if (stage != null) {
            gatherIn(stage, own, held);
        }
        return held;
    }

    /** All ranks of another stage than the first are here together, and its first one has a part of every state. */
    private void gatherIn(Communicator stage, Map<String, ParameterPart> own, Map<String, ParameterPart> held) {
        StringBuilder names = new StringBuilder();
        own.forEach((name, part) -> {
            if (owner(name) >= 0) {
                names.append(name + " " + part.values().dtype().name() + " " + part.isWhole() + "\n");
            }
        });
        for (String line :
                new GroupMessages(stage).of(0, names.toString()).lines().toList()) {
            int typeAt = line.lastIndexOf(' ', line.lastIndexOf(' ') - 1);
            String name = line.substring(0, typeAt);
            String[] kind = line.substring(typeAt + 1).split(" ", -1);
            Tensor whole = ofAll(owner(name), name, DType.valueOf(kind[0]), Boolean.parseBoolean(kind[1]));
            if (stage.rank() == 0) {
                held.put(name, ParameterPart.whole(whole));
            }
        }
    }

    /** On another rank: gives what it has of a state. */
    private void help(int owner) {
        String[] asked = messages.of(0, "").split(" ", -1);
        if (parts.stage() == null) {
            try (TensorScope scope = TensorScope.open()) {
                String name = sliced.get(owner).name() + asked[0];
                ofAll(owner, name, DType.valueOf(asked[1]), Boolean.parseBoolean(asked[2]));
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
        return gathered(owner, state == null ? Tensors.zeros(dtype, Device.CPU, 0) : state.detach(), isSlice);
    }

    private Tensor gathered(int owner, Tensor state, boolean isSlice) {
        Parameter parameter = sliced.get(owner);
        ParameterSlice slice = parameter.slice();
        if (slice == null) {
            throw new IllegalStateException(parameter.name() + " is no slice any more");
        }
        Tensor own = isSlice ? state : ofDataRanks(parameter, state);
        try (Parameter carrier = new Parameter(parameter.name(), own.detach().copy())) {
            return slice.axis().gather(carrier, slice.dimension(), own.dtype());
        }
    }

    /** The slice whose parts the ranks of the data axis have, the last ones filled up. */
    private Tensor ofDataRanks(Parameter parameter, Tensor part) {
        long length = (parameter.numel() + data.size() - 1) / data.size();
        Tensor filled = Tensors.zeros(part.dtype(), part.device(), length);
        long count = Math.min(length, part.numel());
        filled.narrow(0, 0, count).copyInPlace(part.contiguous().view(-1).narrow(0, 0, count));
        Tensor all = Tensors.zeros(part.dtype(), part.device(), length * data.size());
        data.allGather(filled, all).await();
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
