package org.finetune4j.rlhf.policy;

import java.util.Arrays;

/** How much better an answer was than the others to the same prompt. Groups are of one size and follow one another. */
public enum GroupAdvantages {

    /** GRPO (Shao et al. 2024, arXiv:2402.03300): {@code (r - mean of the group) / (deviation of the group + 1e-4)}. */
    GROUP {
        @Override
        public double[] of(double[] rewards, int groupSize) {
            return perGroup(rewards, groupSize, GroupAdvantages::scaled);
        }
    },

    /** As {@link #GROUP}, by the deviation of all rewards together. */
    BATCH {
        @Override
        public double[] of(double[] rewards, int groupSize) {
            double deviation = Statistics.of(rewards).deviation() + EPSILON;
            return Arrays.stream(NONE.of(rewards, groupSize))
                    .map(advantage -> advantage / deviation)
                    .toArray();
        }
    },

    /** {@code r - mean of the group}, not scaled (Dr. GRPO, Liu et al. 2025, arXiv:2503.20783). */
    NONE {
        @Override
        public double[] of(double[] rewards, int groupSize) {
            return perGroup(rewards, groupSize, group -> {
                double mean = Statistics.of(group).mean();
                return Arrays.stream(group).map(reward -> reward - mean).toArray();
            });
        }
    },

    /** RLOO (Ahmadian et al. 2024, arXiv:2402.14740): {@code r - mean of the others}. */
    LEAVE_ONE_OUT {
        @Override
        public double[] of(double[] rewards, int groupSize) {
            return perGroup(rewards, groupSize, group -> {
                double sum = Arrays.stream(group).sum();
                int others = group.length - 1;
                return Arrays.stream(group)
                        .map(reward -> others == 0 ? 0 : reward - (sum - reward) / others)
                        .toArray();
            });
        }
    },

    /** REINFORCE++ (Hu 2025, arXiv:2501.03262): {@code (r - mean) / (deviation + 1e-4)} of all rewards, whatever their prompts. */
    GLOBAL {
        @Override
        public double[] of(double[] rewards, int groupSize) {
            requireGroups(rewards, groupSize);
            return scaled(rewards);
        }
    };

    private static final double EPSILON = 1e-4;

    private interface Group {
        double[] of(double[] rewards);
    }

    /** {@return whether an answer is compared with others to the same prompt alone, so that one by itself teaches nothing} */
    public boolean needsOthers() {
        return this != GLOBAL;
    }

    /**
     * The advantages of the answers of several groups.
     *
     * @param rewards of all answers, group after group
     * @param groupSize how many answers every prompt has
     * @return one number an answer; 0 throughout where all answers earned the same
     */
    public abstract double[] of(double[] rewards, int groupSize);

    private static double[] perGroup(double[] rewards, int groupSize, Group group) {
        requireGroups(rewards, groupSize);
        double[] advantages = new double[rewards.length];
        for (int start = 0; start < rewards.length; start += groupSize) {
            double[] own = group.of(Arrays.copyOfRange(rewards, start, start + groupSize));
            System.arraycopy(own, 0, advantages, start, groupSize);
        }
        return advantages;
    }

    private static double[] scaled(double[] rewards) {
        Statistics statistics = Statistics.of(rewards);
        return Arrays.stream(rewards)
                .map(reward -> (reward - statistics.mean()) / (statistics.deviation() + EPSILON))
                .toArray();
    }

    private static void requireGroups(double[] rewards, int groupSize) {
        if (groupSize < 1 || rewards.length % groupSize != 0) {
            throw new IllegalArgumentException(rewards.length + " rewards are no groups of " + groupSize);
        }
    }
}
