package org.finetune4j.dist.plan;

/**
 * What a step of a layout sends and how long it takes. Rings of n devices send 2 (n - 1) / n of a tensor to reduce it everywhere and
 * (n - 1) / n to gather or to reduce-scatter it.
 *
 * @param dataBytes that a device sends for gradients and shared parameters
 * @param tensorBytes that it sends inside of layers that are split
 * @param pipelineBytes that it sends to the next stage and back
 * @param expertBytes that it sends with tokens to experts elsewhere and back
 * @param computeSeconds that it calculates
 * @param bubbleSeconds that it waits for a pipeline to fill and to empty
 * @param exposedSeconds of communication that nothing is calculated beside
 */
public record StepEstimate(
        double dataBytes,
        double tensorBytes,
        double pipelineBytes,
        double expertBytes,
        double computeSeconds,
        double bubbleSeconds,
        double exposedSeconds) {

    /** Reducing after forward and after backward, for attention and for feed-forward. */
    private static final int REDUCTIONS_OF_A_LAYER = 4;

    /** Two of those once more where a layer runs again. */
    private static final int REDUCTIONS_OF_A_LAYER_AGAIN = 6;

    /** To the experts and back, forwards and backwards; forwards once more where a layer runs again. */
    private static final int EXCHANGES_OF_A_MIXTURE = 4;

    private static final int EXCHANGES_OF_A_MIXTURE_AGAIN = 6;

    static StepEstimate of(TrainingShape shape, Layout layout, Cluster cluster) {
        double tokens = (double) layout.microBatch() * layout.accumulation() * shape.sequenceLength();
        double operations = tokens * operationsOfToken(shape, layout.checkpointing());
        int model = layout.tensorParallel() * layout.pipelineParallel();
        double compute = operations / model / cluster.operations();
        double bubble = compute * (layout.pipelineParallel() - 1.0) / layout.accumulation();
        double data = dataBytes(shape, layout);
        double tensor = tensorBytes(shape, layout);
        double pipeline = pipelineBytes(shape, layout);
        double experts = expertBytes(shape, layout);
        double dataSeconds = data / cluster.bandwidth((long) layout.devices() / layout.pipelineParallel());
        // Gradients leave while the layers below are calculated: that is two thirds of the step, the backward pass.
        double exposed = Math.max(0, dataSeconds - compute * 2 / 3)
                + tensor / cluster.bandwidth(layout.tensorParallel())
                + pipeline / cluster.bandwidth(layout.devices())
                + experts / cluster.bandwidth((long) layout.tensorParallel() * layout.expertParallel());
        return new StepEstimate(data, tensor, pipeline, experts, compute, bubble, exposed);
    }

    /** Two for every scalar forward, as many for the inputs' gradients, as many for the weights'; and attention's scores. */
    private static double operationsOfToken(TrainingShape shape, boolean again) {
        double forward = 2 * shape.all().products();
        // Scores and their values, half of which are masked.
        double attention = 2.0 * shape.layerCount() * shape.hidden() * shape.sequenceLength();
        double backward = (shape.trainsWeights() ? 2 : 1) * forward + 2 * attention;
        return forward + attention + backward + (again ? forward + attention : 0);
    }

    /**
     * Gradients are reduced once a step, from stage 2 on after every micro-batch; parameters are gathered once after the update,
     * in stage 3 before every forward and every backward pass, but for what the forward pass has left.
     */
    private static double dataBytes(TrainingShape shape, Layout layout) {
        double parts = (double) layout.tensorParallel() * layout.pipelineParallel();
        int copies = layout.dataParallel();
        TrainingShape.Part all = shape.all();
        TrainingShape.Part experts = shape.experts();
        double common = ring(copies)
                * perStep(
                        layout,
                        (double) all.trainedBytes() - experts.trainedBytes(),
                        2.0 * (all.weights() - experts.weights())
                                - (shape.kept().weights() - shape.keptExperts().weights()));
        double ofExperts = ring(copies / layout.expertParallel())
                * perStep(
                        layout,
                        (double) experts.trainedBytes(),
                        2.0 * experts.weights() - shape.keptExperts().weights())
                / layout.expertParallel();
        return (common + ofExperts) / parts;
    }

    private static double ring(int devices) {
        return (devices - 1.0) / devices;
    }

    private static double perStep(Layout layout, double gradients, double gathered) {
        int batches = layout.accumulation();
        return switch (layout.zeroStage()) {
            case 0, 1 -> 2 * gradients;
            case 2 -> (batches + 1) * gradients;
            default -> batches * (gathered + gradients);
        };
    }

    private static double expertBytes(TrainingShape shape, Layout layout) {
        int exchanges = layout.checkpointing() ? EXCHANGES_OF_A_MIXTURE_AGAIN : EXCHANGES_OF_A_MIXTURE;
        double mixtures = (double) shape.mixtures() / layout.pipelineParallel();
        return ring(layout.expertParallel())
                * exchanges
                * mixtures
                * shape.expertsOfToken()
                * streamBytes(shape, layout);
    }

    private static double tensorBytes(TrainingShape shape, Layout layout) {
        int split = layout.tensorParallel();
        int reductions = layout.checkpointing() ? REDUCTIONS_OF_A_LAYER_AGAIN : REDUCTIONS_OF_A_LAYER;
        double layers = (double) shape.layerCount() / layout.pipelineParallel();
        double sums = 2 * ring(split) * reductions * layers * streamBytes(shape, layout);
        if (!layout.sequenceParallel()) {
            return sums;
        }
        // Sums go in two halves; at the ends of the chain tokens are gathered, and every pass adds up the norms'
        // gradients.
        double norms = (double) shape.normBytes() / layout.pipelineParallel();
        return sums + 2 * ring(split) * (streamBytes(shape, layout) + layout.accumulation() * norms);
    }

    private static double pipelineBytes(TrainingShape shape, Layout layout) {
        return layout.pipelineParallel() == 1 ? 0 : 2 * streamBytes(shape, layout) / layout.tokenShares();
    }

    /** Hidden states of all micro-batches of a step. */
    private static double streamBytes(TrainingShape shape, Layout layout) {
        return (double) shape.itemSize()
                * shape.hidden()
                * shape.sequenceLength()
                * layout.microBatch()
                * layout.accumulation();
    }

    /** {@return seconds of a step} */
    public double seconds() {
        return computeSeconds + bubbleSeconds + exposedSeconds;
    }

    /** {@return bytes that a device sends in a step} */
    public double bytes() {
        return dataBytes + tensorBytes + pipelineBytes + expertBytes;
    }
}
