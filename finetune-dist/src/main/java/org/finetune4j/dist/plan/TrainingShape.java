package org.finetune4j.dist.plan;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.tensor.DivisibleLayers;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.OffloadOptions;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.StreamMemory;

/**
 * What a training is like before it is spread: the sizes of its parts, from a model that may be {@link CausalLM#shapes shapes
 * only}. Memory of one device is core's {@link MemoryPlan}.
 */
public final class TrainingShape {

    private static final Pattern EXPERT = Pattern.compile("(^|\\.)experts\\.\\d+\\.");

    /** Where weights are shared, one layer is in use while the next one arrives. */
    static final int LAYERS_AT_ONCE = 2;

    private final CausalLM model;
    private final AttachedStrategy strategy;
    private final TrainingArguments arguments;
    private final long process;
    private final int sequenceLength;
    private final Part embedding;
    private final List<Part> layers;
    private final Part head;
    private final Part all;
    private final Part experts;
    private final Part tables;
    private final Part kept;
    private final Part keptExperts;
    private final List<MixtureOfExperts> mixtures;
    private final boolean dividesLayers;
    private final boolean dividesSequence;
    private final long normBytes;
    private final Map<Integer, MemoryPlan> plans = new TreeMap<>();

    /**
     * A part of the model.
     *
     * @param weights bytes of its parameters
     * @param trained scalars of it that train
     * @param trainedBytes bytes of those
     * @param products scalars that one token is multiplied with
     */
    record Part(long weights, long trained, long trainedBytes, double products) {

        Part plus(Part other) {
            return new Part(
                    weights + other.weights,
                    trained + other.trained,
                    trainedBytes + other.trainedBytes,
                    products + other.products);
        }
    }

    /**
     * Looks at a training.
     *
     * @param model the model, or its shapes; it stays open as long as this is used
     * @param strategy the method on it
     * @param arguments of the training, what is kept in files among them; batch sizes and checkpointing are not looked at
     * @param sequenceLength tokens of a row
     * @param process bytes of a process without the model
     * @throws UserErrorException when the model is no decoder
     */
    public TrainingShape(
            CausalLM model, AttachedStrategy strategy, TrainingArguments arguments, int sequenceLength, long process) {
        this.model = model;
        this.strategy = strategy;
        this.arguments = arguments;
        this.process = process;
        this.sequenceLength = sequenceLength;
        DecoderModel network = model.network();
        if (!network.isCausal()) {
            throw new UserErrorException(
                    model.config().architecture()
                            + " is no causal model: plans are made for decoders, ./finetune validate says what one device needs");
        }
        Set<Parameter> trained = new HashSet<>(strategy.trainableParameters());
        Set<Parameter> everything = new HashSet<>(network.allParameters());
        everything.addAll(trained);
        this.experts =
                part(everything.stream().filter(TrainingShape::isOfExpert).toList(), trained);
        this.normBytes = normsBetweenBlocks(network.layers(), trained);
        this.mixtures = network.namedModules().values().stream()
                .filter(MixtureOfExperts.class::isInstance)
                .map(MixtureOfExperts.class::cast)
                .toList();
        double share = mixtures.isEmpty() ? 1 : mixtures.get(0).shareOfExperts();
        this.dividesLayers = DivisibleLayers.unknown(network).isEmpty();
        this.dividesSequence = DivisibleLayers.wholeBetweenBlocks(network).isEmpty();
        this.embedding = part(network.inputEmbedding(), trained, 0);
        this.layers = new ArrayList<>();
        Part total = part(everything, trained);
        for (DecoderLayer layer : network.layers()) {
            layers.add(part(layer, trained, share));
        }
        List<Parameter> ofTables = new ArrayList<>(network.inputEmbedding().allParameters());
        ofTables.addAll(network.outputLayer().allParameters());
        this.tables = part(ofTables, trained);
        List<Parameter> stay = new ArrayList<>(ofTables);
        network.layers()
                .subList(
                        Math.max(0, network.layers().size() - LAYERS_AT_ONCE),
                        network.layers().size())
                .forEach(layer -> stay.addAll(layer.allParameters()));
        this.kept = part(stay, trained);
        this.keptExperts = part(stay.stream().filter(TrainingShape::isOfExpert).toList(), trained);
        // Tied embeddings are there once on one device, and twice where the first and the last stage are apart.
        this.head = part(network.outputLayer(), trained, 1);
        this.all = new Part(
                total.weights(),
                total.trained(),
                total.trainedBytes(),
                layers.stream().mapToDouble(Part::products).sum() + head.products());
    }

    private static long normsBetweenBlocks(List<? extends DecoderLayer> layers, Set<Parameter> trained) {
        long bytes = 0;
        for (DecoderLayer layer : layers) {
            for (Map.Entry<String, Module> entry : layer.namedModules().entrySet()) {
                if (entry.getValue() instanceof Norm && entry.getKey().indexOf('.') < 0) {
                    bytes += part(entry.getValue().allParameters(), trained).trainedBytes();
                }
            }
        }
        return bytes;
    }

    private static Part part(Module module, Set<Parameter> trained, double expertShare) {
        Part sizes = part(module.allParameters(), trained);
        double[] products = {0};
        module.namedParameters().forEach((name, parameter) -> {
            if (parameter.shape().length > 1) {
                products[0] += (EXPERT.matcher(name).find() ? expertShare : 1) * parameter.numel();
            }
        });
        return new Part(sizes.weights(), sizes.trained(), sizes.trainedBytes(), products[0]);
    }

    private static Part part(Collection<Parameter> parameters, Set<Parameter> trained) {
        Set<Parameter> own = new HashSet<>(parameters);
        long weights = own.stream().mapToLong(Parameter::bytes).sum();
        own.retainAll(trained);
        return new Part(
                weights,
                own.stream().mapToLong(Parameter::numel).sum(),
                own.stream().mapToLong(Parameter::bytes).sum(),
                0);
    }

    private static boolean isOfExpert(Parameter parameter) {
        return EXPERT.matcher(parameter.name()).find();
    }

    /**
     * {@return whether a mixture's experts can be split over so many devices}
     *
     * @param size over how many
     */
    boolean dividesExperts(int size) {
        return size == 1
                || (!mixtures.isEmpty()
                        && mixtures.stream()
                                .allMatch(mixture -> mixture.experts().size() % size == 0));
    }

    /** {@return how many layers have a mixture of experts} */
    int mixtures() {
        return mixtures.size();
    }

    /** {@return how many experts a token is sent to} */
    int expertsOfToken() {
        return mixtures.isEmpty()
                ? 1
                : (int) Math.round(mixtures.get(0).shareOfExperts()
                        * mixtures.get(0).experts().size());
    }

    /** {@return all experts of all layers} */
    Part experts() {
        return experts;
    }

    /**
     * {@return core's plan for one device that keeps everything, by samples of a batch}
     *
     * @param batch samples that it reads at once
     */
    MemoryPlan alone(int batch) {
        return plans.computeIfAbsent(
                batch,
                size -> MemoryPlan.of(
                        model,
                        strategy,
                        arguments,
                        GradientCheckpointing.none(),
                        SegmentFactory.autograd(), // what all devices do; a CPU may keep less
                        new MemoryPlan.Load(size, sequenceLength),
                        process));
    }

    /**
     * {@return what of the activations is as wide as the hidden states}
     *
     * @param batch samples that are read at once
     */
    StreamMemory stream(int batch) {
        return StreamMemory.of(model, (long) batch * sequenceLength);
    }

    /** {@return what is kept in files} */
    OffloadOptions offload() {
        return arguments.offload();
    }

    /** {@return bytes of the norms between the blocks that train} */
    long normBytes() {
        return normBytes;
    }

    /** {@return tokens of a row} */
    public int sequenceLength() {
        return sequenceLength;
    }

    /** {@return scalars of the model and what a method added} */
    public long parameters() {
        return alone(1).total();
    }

    /** {@return scalars that train} */
    public long trainable() {
        return alone(1).trainable();
    }

    /** {@return how many layers there are to give to stages} */
    public int layerCount() {
        return layers.size();
    }

    /**
     * {@return whether matrices can be split over so many devices: whole heads and whole columns}
     *
     * @param size over how many
     */
    boolean divides(int size) {
        Attention attention = model.network().layers().get(0).attention();
        return size == 1
                || (dividesLayers
                        && attention.heads() % size == 0
                        && attention.kvHeads() % size == 0
                        && hidden() % size == 0);
    }

    /** Whether devices that split matrices can have some of the tokens each between the blocks. */
    boolean dividesSequence() {
        return dividesSequence;
    }

    long hidden() {
        return model.network().inputEmbedding().weight().size(1);
    }

    /** {@return bytes of a number that is calculated with and sent} */
    long itemSize() {
        return model.computeDType().itemSize();
    }

    Part all() {
        return all;
    }

    /** Embedding and output layer, once where they are one. */
    Part tables() {
        return tables;
    }

    /** What is still there when a pass that gathers weights goes back: the tables and the last layers. */
    Part kept() {
        return kept;
    }

    /** What of it are experts. */
    Part keptExperts() {
        return keptExperts;
    }

    /** The layer that is largest. */
    Part largestLayer() {
        return layers.stream().max(Comparator.comparingLong(Part::weights)).orElseThrow();
    }

    Part embedding() {
        return embedding;
    }

    Part head() {
        return head;
    }

    List<Part> layers() {
        return layers;
    }

    /** The largest part that a device has whole at one time where parameters are shared: a layer, or a table. */
    Part largestSegment() {
        List<Part> segments = new ArrayList<>(layers);
        segments.add(embedding);
        segments.add(head);
        return segments.stream().max(Comparator.comparingLong(Part::weights)).orElseThrow();
    }

    /** Whether the embedding and everything above it are recorded: every layer's gradient is needed. */
    boolean trainsWeights() {
        return all.trained() * 2 > parameters();
    }
}
