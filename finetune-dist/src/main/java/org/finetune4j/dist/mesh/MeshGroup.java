package org.finetune4j.dist.mesh;

/** The groups that ranks form in a mesh. Every rank is in exactly one group of each kind. */
public enum MeshGroup {
    /** Ranks that have the same part of the model and different batches. */
    DATA,
    /** Ranks that have different layers of one copy of the model, in the order of their stages. */
    PIPELINE,
    /** Ranks that have different parts of the same matrices. */
    TENSOR,
    /** Ranks with different batches that share out one set of experts: neighbours on the data axis. */
    EXPERT,
    /** Ranks that have one set of experts together, in slices where matrices are divided. */
    EXPERT_HOLDERS,
    /** Ranks with different batches that have the same experts. */
    EXPERT_DATA,
    /** Ranks that have the same layers, or parts of them. */
    STAGE,
    /** Ranks that have one copy of the model together: a pipeline of tensor groups. */
    MODEL
}
