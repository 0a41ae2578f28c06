package org.finetune4j.train.optimizer;

/** {@code (1 - minimum) (1 + cos(2 pi cycles progress)) / 2 + minimum}; half a cycle falls once (Loshchilov and Hutter 2017). */
final class CosineSchedule extends WarmedUpSchedule {

    private final double cycles;
    private final double minimum;

    CosineSchedule(String type, double cycles, double minimum) {
        super(type);
        this.cycles = cycles;
        this.minimum = minimum;
    }

    @Override
    double afterWarmup(double progress) {
        return (1 - minimum) * 0.5 * (1 + Math.cos(2 * Math.PI * cycles * progress)) + minimum;
    }
}
