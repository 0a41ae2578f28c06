package org.finetune4j.dist.mesh;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/**
 * The sizes of a mesh of ranks: how many have different batches, different layers, different parts of matrices. A rank's number is
 * {@code (stage * data + batch) * tensor + part}, so that the ranks of a tensor group, which talk most, are neighbours. Experts are
 * shared out along the data axis and do not multiply the ranks; who counts them as an axis of their own, as in {@code dp=2,ep=2} of
 * four ranks, is understood too.
 *
 * @param data how many ranks have different batches
 * @param pipeline how many have different layers
 * @param tensor how many have different parts of the same matrices
 * @param expert how many of those with different batches share out the experts; divides {@code data}
 */
public record MeshShape(int data, int pipeline, int tensor, int expert) {

    private static final List<String> AXES = List.of("dp", "pp", "tp", "ep");
    private static final String FORM = "expected a mesh such as dp=2,tp=2,pp=1";

    /** One rank. */
    public static final MeshShape SINGLE = new MeshShape(1, 1, 1, 1);

    /**
     * A mesh of any number of ranks.
     *
     * @param data how many ranks have different batches
     * @param pipeline how many have different layers
     * @param tensor how many have different parts of the same matrices
     * @param expert how many of those with different batches share out the experts
     * @throws IllegalArgumentException when a size is below 1, or the experts' does not divide the data axis
     */
    public MeshShape {
        if (Math.min(Math.min(data, pipeline), Math.min(tensor, expert)) < 1 || data % expert != 0) {
            throw new IllegalArgumentException("no mesh: " + List.of(data, pipeline, tensor, expert));
        }
    }

    /**
     * Reads a mesh as it is written on a command line: {@code dp=2,tp=2,pp=1}. Sizes that are left out are 1, but {@code dp}
     * is what the number of ranks leaves over.
     *
     * @param text sizes by axis
     * @param world how many ranks there are
     * @return the mesh
     * @throws UserErrorException when it is not written so, or does not fit the ranks
     */
    public static MeshShape parse(String text, int world) {
        Map<String, Integer> sizes = new LinkedHashMap<>();
        for (String entry : text.split(",", -1)) {
            int equals = entry.indexOf('=');
            String axis =
                    equals < 0 ? entry.strip() : entry.substring(0, equals).strip();
            if (equals < 0 || axis.isEmpty()) {
                throw new UserErrorException("mesh '" + shown(text) + "': " + FORM);
            }
            if (!AXES.contains(axis)) {
                throw new UserErrorException(
                        "mesh '" + shown(text) + "': no axis '" + shown(axis) + "'" + Suggestions.among(axis, AXES));
            }
            if (sizes.put(axis, size(text, axis, entry.substring(equals + 1).strip())) != null) {
                throw new UserErrorException("mesh '" + shown(text) + "': " + axis + " is there twice; " + FORM);
            }
        }
        Integer data = sizes.get("dp");
        return of(
                data == null ? OptionalInt.empty() : OptionalInt.of(data),
                sizes.getOrDefault("pp", 1),
                sizes.getOrDefault("tp", 1),
                sizes.getOrDefault("ep", 1),
                world);
    }

    private static int size(String text, String axis, String value) {
        try {
            int size = Integer.parseInt(value);
            if (size >= 1) {
                return size;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw new UserErrorException(
                "mesh '" + shown(text) + "': " + axis + " is '" + shown(value) + "', expected a whole number from 1");
    }

    private static String shown(String text) {
        return text.length() <= 100 ? text : text.substring(0, 100) + "...";
    }

    /**
     * A mesh that takes every rank there is.
     *
     * @param data how many ranks have different batches, or how many of those that have the same experts; empty for what the
     *     others leave over
     * @param pipeline how many have different layers
     * @param tensor how many have different parts of the same matrices
     * @param expert how many of those with different batches share out the experts
     * @param world how many ranks there are
     * @return the mesh
     * @throws UserErrorException when the sizes do not multiply to the ranks, or are below 1; it names sizes that would fit
     */
    public static MeshShape of(OptionalInt data, int pipeline, int tensor, int expert, int world) {
        long model = (long) pipeline * tensor;
        long replicas = data.isPresent() ? data.getAsInt() : Math.max(1, world / Math.max(1, model));
        if (replicas > 0
                && expert > 1
                && BigInteger.valueOf(replicas * expert)
                        .multiply(BigInteger.valueOf(model))
                        .equals(BigInteger.valueOf(world))) {
            replicas *= expert; // counted without them, as if experts were an axis of their own
        }
        if (pipeline < 1 || tensor < 1 || expert < 1 || replicas < 1) {
            throw new UserErrorException(
                    "mesh " + written(replicas, pipeline, tensor, expert) + ": expected whole numbers from 1");
        }
        if (replicas > Integer.MAX_VALUE || model > Integer.MAX_VALUE || replicas * model != world) {
            String asked = data.isPresent()
                    ? written(replicas, pipeline, tensor, expert)
                    : written(0, pipeline, tensor, expert);
            String needs = data.isPresent()
                    ? " has " + product(replicas, pipeline, tensor) + " ranks"
                    : " takes a multiple of " + model + " ranks";
            throw new UserErrorException("mesh " + asked + needs + ", but there are " + world
                    + "; sizes that would fit: " + fitting(replicas, pipeline, tensor, world));
        }
        if (replicas % expert != 0) {
            throw new UserErrorException("mesh " + written(replicas, pipeline, tensor, expert)
                    + ": ranks with different batches share out the experts, so ep divides dp: leave it out");
        }
        return new MeshShape((int) replicas, pipeline, tensor, expert);
    }

    private static String product(long data, long pipeline, long tensor) {
        return BigInteger.valueOf(data)
                .multiply(BigInteger.valueOf(pipeline))
                .multiply(BigInteger.valueOf(tensor))
                .toString();
    }

    /** The meshes of so many ranks that are nearest to what was asked for: factors that differ cost their ratio. */
    private static String fitting(long data, long pipeline, long tensor, int world) {
        List<MeshShape> shapes = new ArrayList<>();
        for (int p : divisors(world)) {
            for (int t : divisors(world / p)) {
                shapes.add(new MeshShape(world / p / t, p, t, 1));
            }
        }
        return shapes.stream()
                .sorted(Comparator.comparingDouble((MeshShape shape) ->
                        ratio(shape.pipeline, pipeline) + ratio(shape.tensor, tensor) + ratio(shape.data, data) / 2))
                .limit(3)
                .map(MeshShape::toString)
                .collect(Collectors.joining(" or "));
    }

    /** A size of 1 was not asked for: it is dear to change it. */
    private static double ratio(long size, long asked) {
        double ratio = Math.abs(Math.log((double) size / asked));
        return asked == 1 ? 4 * ratio : ratio;
    }

    private static List<Integer> divisors(int number) {
        List<Integer> divisors = new ArrayList<>();
        for (int i = 1; i <= number; i++) {
            if (number % i == 0) {
                divisors.add(i);
            }
        }
        return divisors;
    }

    private static String written(long data, long pipeline, long tensor, long expert) {
        return (data == 0 ? "" : "dp=" + data + ",") + "pp=" + pipeline + ",tp=" + tensor
                + (expert == 1 ? "" : ",ep=" + expert);
    }

    /** {@return how many ranks there are} */
    public int ranks() {
        return data * pipeline * tensor;
    }

    /**
     * {@return which batches a rank has, from 0}
     *
     * @param rank in the world
     */
    public int dataIndex(int rank) {
        return checked(rank) / tensor % data;
    }

    /**
     * {@return which layers a rank has, from 0}
     *
     * @param rank in the world
     */
    public int stage(int rank) {
        return checked(rank) / (tensor * data);
    }

    /**
     * {@return which part of the matrices a rank has, from 0}
     *
     * @param rank in the world
     */
    public int tensorIndex(int rank) {
        return checked(rank) % tensor;
    }

    /**
     * {@return which of the experts a rank has, from 0}
     *
     * @param rank in the world
     */
    public int expertIndex(int rank) {
        return dataIndex(rank) % expert;
    }

    /**
     * The number of a rank.
     *
     * @param dataIndex which batches it has
     * @param stage which layers
     * @param tensorIndex which part of the matrices
     * @return its number in the world
     */
    public int rank(int dataIndex, int stage, int tensorIndex) {
        return (stage * data + dataIndex) * tensor + tensorIndex;
    }

    /**
     * The group of a kind that a rank is in.
     *
     * @param group the kind
     * @param rank in the world
     * @return the lowest rank of it in the world, which names the group
     */
    public int color(MeshGroup group, int rank) {
        int batches = dataIndex(rank);
        int stage = stage(rank);
        int part = tensorIndex(rank);
        return switch (group) {
            case DATA -> rank(0, stage, part);
            case PIPELINE -> rank(batches, 0, part);
            case TENSOR -> rank(batches, stage, 0);
            case EXPERT -> rank(batches / expert * expert, stage, part);
            case EXPERT_HOLDERS -> rank(batches / expert * expert, stage, 0);
            case EXPERT_DATA -> rank(batches % expert, stage, part);
            case STAGE -> rank(0, stage, 0);
            case MODEL -> rank(batches, 0, 0);
        };
    }

    /**
     * The ranks that are in a group together.
     *
     * @param group the kind
     * @param rank one of them
     * @return their numbers in the world, ascending: that of the group's rank i at place i
     */
    public List<Integer> members(MeshGroup group, int rank) {
        int color = color(group, rank);
        return IntStream.range(0, ranks())
                .filter(other -> color(group, other) == color)
                .boxed()
                .toList();
    }

    private int checked(int rank) {
        return Objects.checkIndex(rank, ranks());
    }

    /** {@return as it is written on a command line} */
    @Override
    public String toString() {
        return written(data, pipeline, tensor, expert);
    }
}
