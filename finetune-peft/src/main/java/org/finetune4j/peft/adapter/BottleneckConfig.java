package org.finetune4j.peft.adapter;

import java.util.List;
import org.finetune4j.nn.Activation;

/**
 * The settings of bottleneck adapters. With a(x) = scaling * up(activation(down(x))), r the residual stream that enters a
 * block and f what the block makes of it, the stream goes on as r + f + a(input).
 *
 * @param attention whether there is an adapter after every attention block
 * @param output whether there is one after every feed-forward block
 * @param input what an adapter reads
 * @param bottleneck width inside an adapter
 * @param nonLinearity name of the activation, such as {@code relu}
 * @param scaling what an adapter's output is multiplied by
 * @param dropout share of an adapter's output that is dropped in training
 * @param start what an adapter starts from
 * @param leaveOut numbers of the layers without adapters
 */
public record BottleneckConfig(
        boolean attention,
        boolean output,
        Input input,
        Bottleneck bottleneck,
        String nonLinearity,
        double scaling,
        double dropout,
        Start start,
        List<Integer> leaveOut) {

    /** What an adapter reads. */
    public enum Input {
        /** The block's output f. */
        BLOCK,
        /** The stream after the block, r + f, and after its norm in layers that normalise it there. */
        SUM,
        /** The stream before the block, r: the adapter works in parallel to the block. */
        STREAM
    }

    /** What an adapter starts from. */
    public enum Start {
        /** Normal values with the deviation 0.02 and zero biases, as BERT's layers: close to changing nothing. */
        BERT,
        /** Kaiming's values going down, zeros going up (He et al. 2022): changes nothing. */
        MAM_ADAPTER
    }

    /** The width inside an adapter. */
    public sealed interface Bottleneck {

        /**
         * {@return the width inside an adapter of this model; at least 1}
         *
         * @param hidden the model's width
         */
        int size(long hidden);

        /**
         * A number.
         *
         * @param size at least 1
         */
        record Size(int size) implements Bottleneck {
            /**
             * Checks the size.
             *
             * @param size at least 1
             * @throws IllegalArgumentException when it is below 1
             */
            public Size {
                if (size < 1) {
                    throw new IllegalArgumentException("size must be positive: " + size);
                }
            }

            @Override
            public int size(long hidden) {
                return size;
            }
        }

        /**
         * The model's width divided by a factor, rounded down.
         *
         * @param factor above 0
         */
        record Reduction(double factor) implements Bottleneck {
            /**
             * Checks the factor.
             *
             * @param factor above 0
             * @throws IllegalArgumentException when it is not above 0
             */
            public Reduction {
                if (!(factor > 0)) {
                    throw new IllegalArgumentException("factor must be positive: " + factor);
                }
            }

            @Override
            public int size(long hidden) {
                return (int) Math.max(1, Math.floor(hidden / factor));
            }
        }
    }

    /**
     * Checks the settings and keeps a copy of the list.
     *
     * @param attention whether there is an adapter after every attention block
     * @param output whether there is one after every feed-forward block
     * @param input what an adapter reads
     * @param bottleneck width inside an adapter
     * @param nonLinearity name of the activation, such as {@code relu}
     * @param scaling what an adapter's output is multiplied by
     * @param dropout share of an adapter's output that is dropped in training
     * @param start what an adapter starts from
     * @param leaveOut numbers of the layers without adapters
     * @throws IllegalArgumentException when there would be no adapters
     */
    public BottleneckConfig {
        leaveOut = List.copyOf(leaveOut);
        Activation.named(nonLinearity);
        if (!attention && !output) {
            throw new IllegalArgumentException("adapters after neither of a layer's blocks are none");
        }
    }

    /**
     * {@return adapters after both blocks that read the block's output (Houlsby et al. 2019), AdapterHub's {@code
     * DoubleSeqBn}}
     *
     * @param bottleneck the width inside
     */
    public static BottleneckConfig houlsby(Bottleneck bottleneck) {
        return new BottleneckConfig(true, true, Input.BLOCK, bottleneck, "swish", 1, 0, Start.BERT, List.of());
    }

    /**
     * {@return adapters after feed-forward blocks that read the stream (Pfeiffer et al. 2021), AdapterHub's {@code SeqBn}}
     *
     * @param bottleneck the width inside
     */
    public static BottleneckConfig pfeiffer(Bottleneck bottleneck) {
        return new BottleneckConfig(false, true, Input.SUM, bottleneck, "relu", 1, 0, Start.BERT, List.of());
    }

    /**
     * {@return adapters beside feed-forward blocks, scaled by 4 (He et al. 2022), AdapterHub's {@code ParBn}}
     *
     * @param bottleneck the width inside
     */
    public static BottleneckConfig parallel(Bottleneck bottleneck) {
        return new BottleneckConfig(false, true, Input.STREAM, bottleneck, "relu", 4, 0, Start.MAM_ADAPTER, List.of());
    }

    /**
     * {@return the same with another activation}
     *
     * @param name as in {@code config.json} files, such as {@code gelu}
     */
    public BottleneckConfig withNonLinearity(String name) {
        return new BottleneckConfig(attention, output, input, bottleneck, name, scaling, dropout, start, leaveOut);
    }

    /**
     * {@return the same with another start}
     *
     * @param other what the adapters start from
     */
    public BottleneckConfig startingFrom(Start other) {
        return new BottleneckConfig(
                attention, output, input, bottleneck, nonLinearity, scaling, dropout, other, leaveOut);
    }

    Activation activation() {
        return Activation.named(nonLinearity);
    }
}
