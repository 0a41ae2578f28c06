package org.finetune4j.train.optimizer;

/** Falls to 0 along half a cosine wave, several times (Loshchilov and Hutter 2017). */
final class CosineWithRestartsSchedule extends WarmedUpSchedule {

    private final double cycles;

    CosineWithRestartsSchedule(double cycles) {
        super("cosine_with_restarts");
        this.cycles = cycles;
    }

    @Override
    double afterWarmup(double progress) {
        return progress >= 1 ? 0 : 0.5 * (1 + Math.cos(Math.PI * (cycles * progress % 1)));
    }
}
