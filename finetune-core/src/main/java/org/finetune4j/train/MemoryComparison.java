package org.finetune4j.train;

/**
 * What a training was planned to take, beside what the process has taken.
 *
 * @param step optimizer steps done when it was looked at
 * @param plannedMegabytes the plan's peak
 * @param measuredMegabytes the process's peak so far
 */
public record MemoryComparison(long step, long plannedMegabytes, long measuredMegabytes) {}
