package org.finetune4j.train.health;

import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Where the routers of a mixture of experts have sent tokens in training.
 *
 * @param step number of the last step that is counted
 * @param layers those with experts, in their order
 */
public record ExpertLoad(long step, List<Layer> layers) {

    /**
     * Copies the list.
     *
     * @param step number of the last step that is counted
     * @param layers those with experts, in their order
     */
    public ExpertLoad {
        layers = List.copyOf(layers);
    }

    /**
     * One layer's experts.
     *
     * @param number of the layer, from 0
     * @param tokens how many were sent
     * @param shares for every expert the share of tokens that it got; together as many as a token is sent to
     */
    public record Layer(int number, long tokens, List<Double> shares) {

        /** An expert that gets this share of tokens, where half of the tokens or fewer would be even, is chosen whatever the token is. */
        private static final double COLLAPSED = 0.95;

        /** Fewer say little about a router. */
        private static final int TOKENS_AN_EXPERT = 8;

        /**
         * Copies the shares.
         *
         * @param number of the layer, from 0
         * @param tokens how many were sent
         * @param shares for every expert the share of tokens that it got
         */
        public Layer {
            shares = List.copyOf(shares);
        }

        /** {@return the expert with the largest share} */
        public int busiest() {
            return shares.indexOf(Collections.max(shares));
        }

        /** {@return how many experts got nothing} */
        public int idle() {
            return (int) shares.stream().filter(share -> share == 0).count();
        }

        /** {@return the share of each expert if all had the same} */
        public double even() {
            return shares.stream().mapToDouble(share -> share).sum() / shares.size();
        }

        /** {@return whether the router has stopped choosing: an expert gets nearly every token} */
        public boolean isCollapsed() {
            return tokens >= (long) TOKENS_AN_EXPERT * shares.size()
                    && shares.get(busiest()) >= COLLAPSED
                    && even() <= 0.5 + 1e-9;
        }
    }

    /**
     * Tells of a router that has stopped choosing.
     *
     * @return one line that names layer and expert; empty where all choose
     */
    public Optional<String> collapse() {
        return layers.stream().filter(Layer::isCollapsed).findFirst().map(layer -> {
            int expert = layer.busiest();
            long others = layers.stream().filter(Layer::isCollapsed).count() - 1;
            return String.format(
                    Locale.ROOT,
                    "layer %d: expert %d gets %.1f %% of the tokens, %.1f %% would be even, and %d of %d experts get none%s: the router"
                            + " collapses; balance it (router_aux_loss_coef, such as 0.01),"
                            + " lower learning_rate, or leave the router out of target_modules",
                    layer.number,
                    expert,
                    100 * layer.shares.get(expert),
                    100 * layer.even(),
                    layer.idle(),
                    layer.shares.size(),
                    others > 0 ? " (so do " + others + " more layers)" : "");
        });
    }
}
