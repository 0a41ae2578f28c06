package org.finetune4j.dist.mesh;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.dist.communicator.Communicator;

/** The ranks of a run as a mesh, seen from one of them: where it is, and the groups it talks in. */
public final class Mesh implements AutoCloseable {

    private final MeshShape shape;
    private final Communicator world;
    private final Map<MeshGroup, Communicator> groups = new EnumMap<>(MeshGroup.class);

    /**
     * Makes the groups of a mesh. All ranks call it.
     *
     * @param shape takes every rank of the world
     * @param world stays the caller's, and is closed after the mesh
     */
    public Mesh(MeshShape shape, Communicator world) {
        if (shape.ranks() != world.size()) {
            throw new IllegalArgumentException("mesh " + shape + " and " + world.size() + " ranks");
        }
        this.shape = shape;
        this.world = world;
        try {
            for (MeshGroup group : MeshGroup.values()) {
                groups.put(group, world.split(shape.color(group, world.rank()), world.rank()));
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /** {@return the sizes} */
    public MeshShape shape() {
        return shape;
    }

    /** {@return all ranks} */
    public Communicator world() {
        return world;
    }

    /** {@return the number of this rank in the world} */
    public int rank() {
        return world.rank();
    }

    /**
     * {@return the group of a kind that this rank is in, which the mesh closes}
     *
     * @param group the kind
     */
    public Communicator group(MeshGroup group) {
        return Objects.requireNonNull(groups.get(group), "the mesh is closed");
    }

    /** {@return ranks with the same part of the model and different batches} */
    public Communicator data() {
        return group(MeshGroup.DATA);
    }

    /** {@return the stages of this rank's copy of the model} */
    public Communicator pipeline() {
        return group(MeshGroup.PIPELINE);
    }

    /** {@return ranks with different parts of this rank's matrices} */
    public Communicator tensor() {
        return group(MeshGroup.TENSOR);
    }

    /** {@return ranks that share out one set of experts} */
    public Communicator expert() {
        return group(MeshGroup.EXPERT);
    }

    /** {@return which batches this rank has, from 0} */
    public int dataIndex() {
        return shape.dataIndex(rank());
    }

    /** {@return which layers this rank has, from 0} */
    public int stage() {
        return shape.stage(rank());
    }

    /** {@return which part of the matrices this rank has, from 0} */
    public int tensorIndex() {
        return shape.tensorIndex(rank());
    }

    /** {@return whether this rank has the last layers and the head} */
    public boolean isLastStage() {
        return stage() == shape.pipeline() - 1;
    }

    /** Leaves the groups; the world stays. */
    @Override
    public void close() {
        List<Communicator> open = new ArrayList<>(groups.values());
        groups.clear();
        for (int i = open.size() - 1; i >= 0; i--) {
            open.get(i).close();
        }
    }
}
