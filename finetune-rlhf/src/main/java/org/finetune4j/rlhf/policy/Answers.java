package org.finetune4j.rlhf.policy;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;

/** Numbers of several answers, an array each: answers have their own lengths. */
final class Answers {

    private Answers() {}

    /** Fails where two arrays of one answer do not belong together. */
    static void requireSameLength(double[] first, double[] second) {
        if (first.length != second.length) {
            throw new IllegalArgumentException("an answer has " + first.length + " and " + second.length + " numbers");
        }
    }

    /** Fails where two lists of answers do not belong together. */
    static void requireSameCount(int first, int second) {
        if (first != second) {
            throw new IllegalArgumentException("there are numbers of " + first + " and of " + second + " answers");
        }
    }

    static long count(double[][] answers) {
        return Arrays.stream(answers).mapToLong(answer -> answer.length).sum();
    }

    static double mean(double[][] answers) {
        return Arrays.stream(answers).flatMapToDouble(Arrays::stream).average().orElse(0);
    }

    static double[][] map(double[][] answers, DoubleUnaryOperator operation) {
        return Arrays.stream(answers)
                .map(answer -> Arrays.stream(answer).map(operation).toArray())
                .toArray(double[][]::new);
    }

    /** Arrays of zeros of the same lengths. */
    static double[][] zerosLike(double[][] answers) {
        return Arrays.stream(answers).map(answer -> new double[answer.length]).toArray(double[][]::new);
    }
}
