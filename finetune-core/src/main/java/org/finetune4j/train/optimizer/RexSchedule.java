package org.finetune4j.train.optimizer;

/** {@code (1 - progress) / (1 - progress / 2)}: slow at first, fast at the end (Chen et al. 2021, REX). */
final class RexSchedule extends WarmedUpSchedule {

    RexSchedule() {
        super("rex");
    }

    @Override
    double afterWarmup(double progress) {
        return (1 - progress) / (1 - progress / 2);
    }
}
