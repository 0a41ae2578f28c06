package org.finetune4j.train.optimizer;

/** {@code (1 - end) (1 - progress)^power + end}; linear with end 0 and power 1. */
final class PolynomialSchedule extends WarmedUpSchedule {

    private final double end;
    private final double power;

    /** @param end the last factor: the last learning rate by the base one */
    PolynomialSchedule(String type, double end, double power) {
        super(type);
        this.end = end;
        this.power = power;
    }

    @Override
    double afterWarmup(double progress) {
        return (1 - end) * Math.pow(1 - progress, power) + end;
    }
}
