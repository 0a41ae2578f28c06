package org.finetune4j.dist.zero;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Pending;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * Parameters of one type that are sent together. In memory every rank's parts lie one after the other, those of the first rank
 * before those of the second; parts are as long on all ranks, so the last ones are filled up with zeros.
 */
final class PartBucket {

    private final List<PartedParameter> parameters;
    private final DType dtype;
    private final Device device;
    private final long length;

    private PartBucket(List<PartedParameter> parameters) {
        this.parameters = parameters;
        this.dtype = parameters.get(0).whole().dtype();
        this.device = parameters.get(0).whole().device();
        this.length =
                parameters.stream().mapToLong(each -> each.part().length()).sum();
    }

    /** All parameters in buckets of one type each, of about so many bytes. */
    static List<PartBucket> of(Iterable<PartedParameter> parameters, long bytes) {
        Map<String, List<PartedParameter>> open = new LinkedHashMap<>();
        List<PartBucket> full = new ArrayList<>();
        for (PartedParameter parameter : parameters) {
            String kind = parameter.whole().dtype() + " " + parameter.whole().device();
            List<PartedParameter> together = open.computeIfAbsent(kind, key -> new ArrayList<>());
            together.add(parameter);
            if (bytesOf(together) >= bytes) {
                full.add(new PartBucket(List.copyOf(together)));
                together.clear();
            }
        }
        open.values().stream()
                .filter(together -> !together.isEmpty())
                .forEach(together -> full.add(new PartBucket(List.copyOf(together))));
        return full;
    }

    static long bytesOf(Iterable<PartedParameter> parameters) {
        long bytes = 0;
        for (PartedParameter parameter : parameters) {
            bytes += parameter.whole().bytes();
        }
        return bytes;
    }

    /** A sum of gradients that is under way. */
    final class Sum {

        private final Tensor all;
        private final Tensor own;
        private final Pending pending;

        private Sum(Communicator group) {
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                all = gradients(group.size()).unscoped();
                own = Tensors.zeros(dtype, device, length).unscoped();
            }
            pending = group.reduceScatter(all, own, Reduction.SUM);
        }

        /** Waits for it and adds each rank's part of it to that rank's gradients. */
        void complete() {
            pending.await();
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                long at = 0;
                for (PartedParameter each : parameters) {
                    if (each.part().count() > 0) {
                        each.part().addGradient(own.narrow(0, at, each.part().count()));
                    }
                    at += each.part().length();
                }
            }
            all.close();
            own.close();
        }
    }

    /** Begins to add up the gradients over the ranks; those of the wholes are dropped. */
    Sum sum(Communicator group) {
        return new Sum(group);
    }

    private Tensor gradients(int ranks) {
        Tensor all = Tensors.zeros(dtype, device, ranks * length);
        long at = 0;
        for (PartedParameter each : parameters) {
            Tensor gradient = each.gradient();
            if (gradient != null) {
                Tensor flat = gradient.contiguous().view(-1);
                long part = each.part().length();
                for (int rank = 0; rank < ranks; rank++) {
                    long from = Math.min(flat.numel(), rank * part);
                    long count = Math.min(part, flat.numel() - from);
                    if (count > 0) {
                        all.narrow(0, rank * length + at, count).copyInPlace(flat.narrow(0, from, count));
                    }
                }
                each.clearWhole();
            }
            at += each.part().length();
        }
        return all;
    }

    /**
     * Gives all ranks what each has made of its parts.
     *
     * @param arrived is told of parameters that have their new values
     */
    void gather(Communicator group, Consumer<Parameter> arrived) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor all = Tensors.zeros(dtype, device, group.size() * length);
            Tensor own = all.narrow(0, group.rank() * length, length);
            long at = 0;
            for (PartedParameter each : parameters) {
                long count = each.part().count();
                if (count > 0) {
                    own.narrow(0, at, count).copyInPlace(each.part().local());
                }
                at += each.part().length();
            }
            group.allGather(own, all).await();
            at = 0;
            for (PartedParameter each : parameters) {
                Tensor flat = each.whole().local().detach().view(-1);
                long part = each.part().length();
                for (int rank = 0; rank < group.size(); rank++) {
                    long from = Math.min(flat.numel(), rank * part);
                    long count = Math.min(part, flat.numel() - from);
                    if (count > 0 && rank != group.rank()) {
                        flat.narrow(0, from, count).copyInPlace(all.narrow(0, rank * length + at, count));
                    }
                }
                at += part;
                arrived.accept(each.whole());
            }
        }
    }
}
