package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.management.ManagementFactory;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.finetune4j.Json;
import org.finetune4j.tensor.OperatorTrace;
import org.finetune4j.tensor.Torch;

/**
 * Where a training step's time goes: what libtorch was asked for, by kind, each beside the least time that its work takes at the
 * speeds of products and copies that were measured on this machine just before.
 *
 * @param wall seconds of the step
 * @param processor seconds of all cores together
 * @param parts by kind
 * @param products the matrix products by what is multiplied, the longest first
 */
record StepProfile(double wall, double processor, Map<Kind, Part> parts, Map<String, Part> products) {

    /** Products that are shown one by one. */
    private static final int SHOWN = 12;

    /** What an operator is for. */
    enum Kind {
        /** Its floor: operations at the rate of the model's own products. */
        MATRIX_PRODUCTS,
        /** Fused attention; its floor as that of products. */
        ATTENTION,
        /** Its floor: the bytes of its operands at the rate of a copy. */
        ELEMENTWISE,
        /** Copies, fills and joins; its floor as that of elementwise work. */
        COPIES,
        /** Everything that the optimizer asked for. */
        OPTIMIZER,
        /** Views and memory, which no data is touched for. */
        VIEWS,
        /** The step's time that no operator ran in: Java, its own kernels, and the calls themselves. */
        JAVA;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** One kind's calls. */
    static final class Part {
        private int calls;
        private double seconds;
        private double floor;

        int calls() {
            return calls;
        }

        double seconds() {
            return seconds;
        }

        double floor() {
            return floor;
        }
    }

    private static final Set<String> PRODUCTS = Set.of(
            "mm", "addmm", "addmm_", "bmm", "baddbmm", "baddbmm_", "addmv", "addmv_", "mv", "dot", "linear", "matmul");

    private static final Set<String> COPIES = Set.of(
            "copy_",
            "clone",
            "contiguous",
            "cat",
            "zero_",
            "zeros",
            "fill_",
            "ones_like",
            "zeros_like",
            "index_select",
            "index_add_",
            "_to_copy",
            "to",
            "full",
            "embedding",
            "narrow_copy");

    private static final Set<String> VIEWS = Set.of(
            "as_strided",
            "view",
            "_unsafe_view",
            "narrow",
            "slice",
            "select",
            "t",
            "transpose",
            "expand",
            "permute",
            "reshape",
            "detach",
            "detach_",
            "empty",
            "empty_like",
            "empty_strided",
            "resolve_conj",
            "resolve_neg",
            "set_",
            "unsqueeze",
            "squeeze",
            "alias",
            "resize_",
            "item",
            "_local_scalar_dense",
            "is_nonzero",
            "requires_grad_",
            "unflatten",
            "flatten",
            "chunk",
            "split",
            "result_type",
            "numpy_T",
            "_reshape_alias",
            "lift_fresh");

    /**
     * Runs a step's two halves, each once, and looks at both.
     *
     * @param gradients forwards and backwards
     * @param optimizer the update
     * @param limits of this machine
     */
    static StepProfile of(Runnable gradients, Runnable optimizer, MachineLimits limits) {
        Map<Kind, Part> parts = new EnumMap<>(Kind.class);
        for (Kind kind : Kind.values()) {
            part(parts, kind);
        }
        double processor = processorSeconds();
        double[] wall = new double[1];
        List<OperatorTrace.Call> ofGradients = timed(gradients, wall);
        add(parts, ofGradients, limits, StepProfile::kind);
        Map<String, Part> products = new HashMap<>();
        for (OperatorTrace.Call call : ofGradients) {
            if (productOperations(call) > 0) {
                Part product = products.computeIfAbsent(factors(call), key -> new Part());
                product.calls++;
                product.seconds += call.duration() / 1e6;
                product.floor += floor(call, limits);
            }
        }
        add(parts, timed(optimizer, wall), limits, call -> Kind.OPTIMIZER);
        processor = processorSeconds() - processor;
        double inOperators = parts.values().stream().mapToDouble(Part::seconds).sum();
        part(parts, Kind.JAVA).seconds = Math.max(0, wall[0] - inOperators);
        return new StepProfile(wall[0], processor, parts, longestFirst(products));
    }

    private static Part part(Map<Kind, Part> parts, Kind kind) {
        return parts.computeIfAbsent(kind, key -> new Part());
    }

    private static Map<String, Part> longestFirst(Map<String, Part> products) {
        Map<String, Part> ordered = new LinkedHashMap<>();
        products.entrySet().stream()
                .sorted(Comparator.comparingDouble(entry -> -entry.getValue().seconds))
                .limit(SHOWN)
                .forEach(entry -> ordered.put(entry.getKey(), entry.getValue()));
        return ordered;
    }

    private static List<OperatorTrace.Call> timed(Runnable work, double[] wall) {
        return OperatorTrace.of(() -> {
            long start = System.nanoTime();
            work.run();
            wall[0] += (System.nanoTime() - start) / 1e9;
        });
    }

    private static double processorSeconds() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getProcessCpuTime() / 1e9
                : Double.NaN;
    }

    /** A call on its way, and whether it left the work to others. */
    private static final class Open {
        private final OperatorTrace.Call call;
        private boolean asksOthers;

        Open(OperatorTrace.Call call) {
            this.call = call;
        }
    }

    /** Every call's own time, without that of the calls it made, to its kind; the work to the innermost that is no view. */
    private static void add(
            Map<Kind, Part> parts,
            List<OperatorTrace.Call> calls,
            MachineLimits limits,
            Function<OperatorTrace.Call, Kind> kinds) {
        Deque<Open> open = new ArrayDeque<>();
        List<Open> all = new ArrayList<>();
        for (OperatorTrace.Call call : calls) {
            while (!open.isEmpty() && !open.peek().call.contains(call)) {
                open.pop();
            }
            part(parts, kinds.apply(call)).seconds += call.duration() / 1e6;
            if (!open.isEmpty()) {
                part(parts, kinds.apply(open.peek().call)).seconds -= call.duration() / 1e6;
            }
            boolean inAttention = open.stream().anyMatch(outer -> kind(outer.call) == Kind.ATTENTION);
            Open own = new Open(call);
            open.push(own);
            if (kind(call) != Kind.VIEWS && !inAttention) { // attention's floor is of the whole, whatever it asks for
                open.stream().skip(1).forEach(outer -> outer.asksOthers = true);
                all.add(own);
            }
        }
        for (Open one : all) {
            if (!one.asksOthers) {
                Part part = part(parts, kinds.apply(one.call));
                part.calls++;
                part.floor += floor(one.call, limits);
            }
        }
    }

    private static Kind kind(OperatorTrace.Call call) {
        String name = call.name();
        if (PRODUCTS.contains(name)) {
            return Kind.MATRIX_PRODUCTS;
        }
        if (name.contains("attention")) {
            return Kind.ATTENTION;
        }
        if (COPIES.contains(name)) {
            return Kind.COPIES;
        }
        return VIEWS.contains(name) ? Kind.VIEWS : Kind.ELEMENTWISE;
    }

    private static double floor(OperatorTrace.Call call, MachineLimits limits) {
        return switch (kind(call)) {
            case MATRIX_PRODUCTS -> productOperations(call) / limits.operations();
            case ATTENTION -> attentionOperations(call) / limits.operations();
            default -> bytes(call.shapes()) / limits.bytes();
        };
    }

    /** The last two matrices are the factors: what is added to their product stands before them. */
    private static List<long[]> matrices(OperatorTrace.Call call) {
        List<long[]> matrices =
                call.shapes().stream().filter(shape -> shape.length >= 2).toList();
        return matrices.size() < 2 ? List.of() : matrices.subList(matrices.size() - 2, matrices.size());
    }

    private static double productOperations(OperatorTrace.Call call) {
        List<long[]> factors = kind(call) == Kind.MATRIX_PRODUCTS ? matrices(call) : List.of();
        if (factors.isEmpty()) {
            return 0;
        }
        long[] right = factors.get(1);
        return 2 * count(factors.get(0)) * right[right.length - 1];
    }

    private static String factors(OperatorTrace.Call call) {
        List<long[]> factors = matrices(call);
        return call.name() + " " + Arrays.toString(factors.get(0)) + " x " + Arrays.toString(factors.get(1));
    }

    /**
     * Scores and their use, of half of all pairs of tokens, as a causal pass has them: two products forwards; five backwards, one
     * of which makes the scores again.
     */
    private static double attentionOperations(OperatorTrace.Call call) {
        boolean backward = call.name().endsWith("backward");
        List<long[]> shapes = call.shapes();
        int first = backward ? 1 : 0;
        if (shapes.size() < first + 2) {
            return 0;
        }
        long[] query = shapes.get(first);
        long[] key = shapes.get(first + 1);
        return count(query) * key[key.length - 2] * (backward ? 5 : 2);
    }

    private static double bytes(List<long[]> shapes) {
        return shapes.stream().mapToDouble(StepProfile::count).sum() * Float.BYTES;
    }

    private static double count(long[] shape) {
        double count = shape.length == 0 ? 0 : 1;
        for (long length : shape) {
            count *= length;
        }
        return count;
    }

    /** The share of the cores' time in which none of the process's threads ran. */
    double idle() {
        return Math.max(0, 1 - processor / (wall * Torch.threads()));
    }

    /** The whole as JSON: seconds, calls and floor of every kind. */
    ObjectNode json(MachineLimits limits) {
        ObjectNode json = Json.object();
        json.put("wall_s", rounded(wall));
        json.put("idle", rounded(idle()));
        json.put("gflop_per_s", Math.round(limits.operations() / 1e8) / 10.0);
        json.put("copy_gb_per_s", Math.round(limits.bytes() / 1e8) / 10.0);
        ObjectNode kinds = json.putObject("kinds");
        parts.forEach((kind, part) -> put(kinds.putObject(kind.label()), part));
        ObjectNode longest = json.putObject("products");
        products.forEach((factors, part) -> put(longest.putObject(factors), part));
        return json;
    }

    private void put(ObjectNode one, Part part) {
        one.put("seconds", rounded(part.seconds));
        one.put("share", rounded(part.seconds / wall));
        one.put("calls", part.calls);
        one.put("floor_s", rounded(part.floor));
    }

    private static double rounded(double value) {
        return Math.round(value * 1e4) / 1e4;
    }
}
