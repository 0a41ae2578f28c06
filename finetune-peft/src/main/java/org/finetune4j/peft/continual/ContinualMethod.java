package org.finetune4j.peft.continual;

import java.util.List;

/** How a model is kept from forgetting earlier tasks while it learns the next one. */
public sealed interface ContinualMethod {

    /** The names that configurations have for the methods. */
    List<String> NAMES = List.of("sequential", "replay", "ewc", "olora", "l2");

    /**
     * The name.
     *
     * @return as configurations name it
     */
    String name();

    /** Nothing at all: one adapter learns the tasks one after the other. */
    record Sequential() implements ContinualMethod {
        @Override
        public String name() {
            return "sequential";
        }
    }

    /**
     * Samples of earlier tasks are learned again among those of the new one.
     *
     * @param bytes that the file of kept samples may have, at least 1
     * @param share of kept samples among all that are learned, above 0 and below 1
     */
    record Replay(long bytes, double share) implements ContinualMethod {

        /**
         * Checks the numbers.
         *
         * @param bytes that the file of kept samples may have, at least 1
         * @param share of kept samples among all that are learned, above 0 and below 1
         * @throws IllegalArgumentException when one is outside of its range
         */
        public Replay {
            if (bytes < 1 || !(share > 0 && share < 1)) {
                throw new IllegalArgumentException("replay of " + bytes + " bytes, share " + share);
            }
        }

        @Override
        public String name() {
            return "replay";
        }
    }

    /**
     * Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv:1612.00796): {@code lambda / 2 * sum_i F_i (theta_i - theta*_i)^2}
     * for every earlier task, with the diagonal of its Fisher information at the parameters theta* that it ended with.
     *
     * @param lambda strength, at least 0
     * @param samples of a task that its Fisher information is the mean of, at least 1
     */
    record Ewc(double lambda, int samples) implements ContinualMethod {

        /**
         * Checks the numbers.
         *
         * @param lambda strength, at least 0
         * @param samples of a task that its Fisher information is the mean of, at least 1
         * @throws IllegalArgumentException when one is outside of its range
         */
        public Ewc {
            if (!(lambda >= 0) || samples < 1) {
                throw new IllegalArgumentException("EWC with lambda " + lambda + ", " + samples + " samples");
            }
        }

        @Override
        public String name() {
            return "ewc";
        }
    }

    /**
     * O-LoRA (Wang et al. 2023, arXiv:2310.14152): every task has a LoRA of its own beside the frozen ones of the tasks before, and
     * {@code lambda * sum_(i<t) |A_i A_t^T|^2} keeps the directions that it reads apart from theirs.
     *
     * @param lambda strength, at least 0
     */
    record OLora(double lambda) implements ContinualMethod {

        /**
         * Checks the number.
         *
         * @param lambda strength, at least 0
         * @throws IllegalArgumentException when it is below 0
         */
        public OLora {
            if (!(lambda >= 0)) {
                throw new IllegalArgumentException("O-LoRA with lambda " + lambda);
            }
        }

        @Override
        public String name() {
            return "olora";
        }
    }

    /**
     * Distance to the start: {@code lambda / 2 * |theta - theta*|^2} with the parameters theta* that the task before ended with.
     *
     * @param lambda strength, at least 0
     */
    record L2(double lambda) implements ContinualMethod {

        /**
         * Checks the number.
         *
         * @param lambda strength, at least 0
         * @throws IllegalArgumentException when it is below 0
         */
        public L2 {
            if (!(lambda >= 0)) {
                throw new IllegalArgumentException("L2 with lambda " + lambda);
            }
        }

        @Override
        public String name() {
            return "l2";
        }
    }
}
