package org.finetune4j.generate;

import org.finetune4j.nn.RowAdapters;

/**
 * The adapter of one sequence.
 *
 * @param adapters were said for several sequences
 * @param row the number of this one among them
 * @param rows how many they were said for
 */
record RowAdapterChoice(RowAdapters adapters, int row, int rows) {}
