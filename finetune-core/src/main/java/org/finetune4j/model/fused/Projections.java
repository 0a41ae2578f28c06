package org.finetune4j.model.fused;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.LowRankUpdate;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Arena;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.OutVariants;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Linear layers that read the same rows and write beside each other, with what low-rank methods add. The products of those with the
 * rows are made together: one such product alone is too thin for any kernel.
 *
 * @param linears at least one
 */
public record Projections(List<Linear> linears) {

    /** One layer's columns of the output, and of the low-rank products. */
    private record Part(
            Linear linear, long start, long size, @Nullable LowRankUpdate update, long lowStart, long rank) {

        Tensor columns(Tensor all) {
            return all.narrow(1, start, size);
        }

        Tensor low(Tensor all) {
            return all.narrow(1, lowStart, rank);
        }
    }

    private List<Part> parts(Dropout dropout) {
        List<Part> parts = new ArrayList<>();
        long start = 0;
        long lowStart = 0;
        for (Linear linear : linears) {
            LinearExtension extension = linear.extension();
            LowRankUpdate update = extension == null ? null : extension.lowRank(dropout);
            long rank = update == null ? 0 : update.a().size(0);
            parts.add(new Part(linear, start, linear.outFeatures(), update, lowStart, rank));
            start += linear.outFeatures();
            lowStart += rank;
        }
        return parts;
    }

    /** {@return columns of all outputs} */
    public long outFeatures() {
        return linears.stream().mapToLong(Linear::outFeatures).sum();
    }

    /**
     * Whether the formulas hold for all layers in a pass with this dropout.
     *
     * @param dropout of the pass
     * @return whether this knows all that they do
     */
    public boolean holdWith(Dropout dropout) {
        return linears.stream()
                .allMatch(linear -> LayerShape.isKnown(linear) && LayerShape.isKnown(linear.extension(), dropout));
    }

    /**
     * Columns of all low-rank products.
     *
     * @param dropout of the pass
     * @return 0 without any
     */
    public long rank(Dropout dropout) {
        return parts(dropout).stream().mapToLong(Part::rank).sum();
    }

    /**
     * {@code output = beta * output + W x + b + scale * B A x}.
     *
     * @param x [rows, in]
     * @param output [rows, out]
     * @param beta 0 or 1
     * @param low [rows, rank], set to A x, which going back needs; or null without low-rank products
     * @param context of the batch
     * @param arena for what is needed on the way
     */
    public void forward(
            Tensor x, Tensor output, double beta, @Nullable Tensor low, SequenceContext context, Arena arena) {
        List<Part> parts = parts(context.dropout());
        for (Part part : parts) {
            Tensor columns = part.columns(output);
            DType rounded = part.linear.productDType();
            if (rounded != null) {
                Tensor weight = part.linear.weight().as(rounded, context); // [out, in]
                put(columns, beta, x.to(rounded).mm(weight.t()));
                addBias(part, columns);
                continue;
            }
            Tensor weight = part.linear.weight().as(DType.FLOAT32, context).t(); // [in, out]
            Parameter bias = part.linear.bias();
            if (bias != null && beta == 0) {
                OutVariants.biasedProduct(columns, bias.as(DType.FLOAT32), x, weight);
            } else {
                OutVariants.addProduct(columns, beta, x, weight, 1);
                addBias(part, columns);
            }
        }
        if (low == null) {
            return;
        }
        try (Arena.Region region = arena.open()) {
            OutVariants.product(low, x, stackedA(parts, x.size(1), region).t(), 1); // [rows, rank]
        }
        for (Part part : parts) {
            LowRankUpdate update = part.update;
            if (update != null) {
                Tensor b = update.b().as(DType.FLOAT32).t(); // [rank, out]
                OutVariants.addProduct(part.columns(output), 1, part.low(low), b, update.scale());
            }
        }
    }

    private static void addBias(Part part, Tensor columns) {
        Parameter bias = part.linear.bias();
        if (bias != null) {
            columns.addInPlace(bias.as(DType.FLOAT32));
        }
    }

    private static void put(Tensor destination, double beta, Tensor rounded) {
        if (beta == 0) {
            destination.copyInPlace(rounded);
        } else {
            destination.addInPlace(rounded);
        }
    }

    /** The matrices A of all layers above each other: [rank, in]. */
    private static Tensor stackedA(List<Part> parts, long in, Arena.Region region) {
        List<Part> updated = parts.stream().filter(part -> part.update != null).toList();
        if (updated.size() == 1) {
            return a(updated.get(0));
        }
        Tensor stacked = region.take(updated.stream().mapToLong(Part::rank).sum(), in);
        for (Part part : updated) {
            stacked.narrow(0, part.lowStart, part.rank).copyInPlace(a(part));
        }
        return stacked;
    }

    private static Tensor a(Part part) {
        LowRankUpdate update = part.update;
        if (update == null) {
            throw new IllegalStateException("no low-rank update here");
        }
        return update.a().as(DType.FLOAT32);
    }

    /**
     * Adds the gradients of all that trains here to their own, and gives that of the rows.
     *
     * @param ofOutput [rows, out]
     * @param factor of the whole loss
     * @param x [rows, in], as it was
     * @param low [rows, rank], as {@link #forward} set it, or null
     * @param ofX [rows, in], set to the gradient; or null where none is wanted
     * @param context of the batch
     * @param arena for what is needed on the way
     */
    public void backward(
            Tensor ofOutput,
            double factor,
            Tensor x,
            @Nullable Tensor low,
            @Nullable Tensor ofX,
            SequenceContext context,
            Arena arena) {
        List<Part> parts = parts(context.dropout());
        double beta = 0;
        for (Part part : parts) {
            Tensor columns = part.columns(ofOutput); // [rows, out]
            Gradient.add(part.linear.weight(), columns.t(), x, factor, arena);
            Gradient.addSum(part.linear.bias(), columns, factor);
            DType rounded = part.linear.productDType();
            if (ofX != null && rounded != null) {
                Tensor product = columns.to(rounded).mm(part.linear.weight().as(rounded, context)); // [rows, in]
                put(ofX, beta, factor == 1 ? product : product.to(DType.FLOAT32).mulInPlace(factor));
                beta = 1;
            } else if (ofX != null) {
                OutVariants.addProduct(ofX, beta, columns, part.linear.weight().as(DType.FLOAT32, context), factor);
                beta = 1;
            }
        }
        if (low != null) {
            try (Arena.Region region = arena.open()) {
                throughLowRank(parts, ofOutput, factor, x, low, ofX, region, arena);
            }
        }
    }

    private static void throughLowRank(
            List<Part> parts,
            Tensor ofOutput,
            double factor,
            Tensor x,
            Tensor low,
            @Nullable Tensor ofX,
            Arena.Region region,
            Arena arena) {
        Tensor ofLow = region.takeNarrow(low.size(0), low.size(1)); // [rows, rank]
        for (Part part : parts) {
            LowRankUpdate update = part.update;
            if (update != null) {
                Tensor columns = part.columns(ofOutput);
                OutVariants.product(part.low(ofLow), columns, update.b().as(DType.FLOAT32), factor * update.scale());
                if (update.b().isTrainable()) {
                    // The transpose of what is wanted: kernels are slow at products that are only a few columns wide.
                    Tensor ofB = region.take(part.rank, part.size);
                    OutVariants.product(ofB, part.low(low).t(), columns, factor * update.scale());
                    Gradient.add(update.b(), ofB.t(), arena);
                }
            }
        }
        if (ofX != null) {
            OutVariants.addProduct(ofX, 1, ofLow, stackedA(parts, x.size(1), region), 1);
        }
        List<Part> trained = parts.stream()
                .filter(part -> part.update != null && part.update.a().isTrainable())
                .toList();
        if (trained.size() == 1) {
            Part only = trained.get(0);
            Gradient.add(a(only, trained), only.low(ofLow).t(), x, 1, arena);
        } else if (!trained.isEmpty()) {
            Tensor all = region.take(low.size(1), x.size(1)); // [rank, in]
            OutVariants.product(all, ofLow.t(), x, 1);
            for (Part part : trained) {
                Gradient.add(a(part, trained), all.narrow(0, part.lowStart, part.rank), arena);
            }
        }
    }

    private static Parameter a(Part part, List<Part> trained) {
        LowRankUpdate update = part.update;
        if (update == null) {
            throw new IllegalStateException("none of " + trained + " is here");
        }
        return update.a();
    }
}
