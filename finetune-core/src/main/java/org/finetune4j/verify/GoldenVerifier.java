package org.finetune4j.verify;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.ModelSegments;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.ClassificationLoss;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.gradient.LossHead;
import org.jspecify.annotations.Nullable;

/**
 * Recomputes everything that a golden file holds. A quantity that this class does not know is a mismatch, so that nothing
 * passes unseen.
 */
public final class GoldenVerifier {

    private static final Pattern INPUT = Pattern.compile(
            "(.*\\.)?(input_ids|attention_mask|labels|position_ids|token_type_ids|task_ids|eos_token_id)");
    private static final String GRADIENT = "grad.";

    /** Before the results with an adapter, in files that hold those of the model alone, too. */
    private static final String ADAPTED = "qlora.";

    private final CausalLM model;
    private final @Nullable Adapter adapter;
    private final Tolerances tolerances;
    private final RouterChecks routers;
    private final PromptChecks prompts;

    /**
     * Verifies a model, with an adapter or without.
     *
     * @param model in float32
     * @param adapter attached to {@code model} with trainable parameters, or null for the model alone
     * @param tolerances the largest differences that pass
     */
    public GoldenVerifier(CausalLM model, @Nullable Adapter adapter, Tolerances tolerances) {
        this.model = model;
        this.adapter = adapter;
        this.tolerances = tolerances;
        this.routers = new RouterChecks(model, tolerances);
        this.prompts = new PromptChecks(model, adapter, tolerances);
    }

    /**
     * Compares the model with a file. Where the file holds results of the merged model, the adapter is merged at the end;
     * where it holds results with and without the adapter, the adapter is taken off in between.
     *
     * @param file recorded from the reference implementation
     * @param onCheck told of every result as soon as it is there
     * @return whether everything passed
     */
    public boolean verify(Path file, Consumer<Check> onCheck) {
        List<Check> checks = new ArrayList<>();
        Consumer<Check> sink = check -> {
            checks.add(check);
            onCheck.accept(check);
        };
        try (GoldenFile golden = new GoldenFile(file)) {
            List<String> recorded = startingWith(PromptChecks.PARAMETER, golden.names());
            List<String> results = golden.names().stream()
                    .filter(name -> !INPUT.matcher(name).matches())
                    .filter(name -> !name.startsWith(ADAPTED))
                    .filter(name -> !recorded.contains(name))
                    .toList();
            checkAdapted(golden, sink);
            for (String name : results) {
                if (!name.startsWith(GRADIENT) && !name.equals("merged_logits")) {
                    try (TensorScope scope = TensorScope.open()) {
                        sink.accept(check(golden, name));
                    }
                }
            }
            if (!recorded.isEmpty()) {
                prompts.useParameters(golden, recorded, sink);
            }
            List<String> gradients = startingWith(GRADIENT, results);
            if (!gradients.isEmpty()) {
                checkGradients(golden, GRADIENT, gradients, sink);
            }
            if (results.contains("merged_logits")) {
                sink.accept(checkMerged(golden));
            }
        }
        return checks.stream().allMatch(Check::passed);
    }

    private void checkAdapted(GoldenFile golden, Consumer<Check> sink) {
        List<String> adapted =
                golden.names().stream().filter(name -> name.startsWith(ADAPTED)).toList();
        if (adapted.isEmpty()) {
            return;
        }
        if (adapter == null) {
            adapted.forEach(name -> sink.accept(Check.failed(name, "there is no adapter")));
            return;
        }
        ModelInputs inputs = golden.inputs("");
        for (String name : adapted) {
            try (TensorScope scope = TensorScope.open()) {
                if (name.equals(ADAPTED + "logits")) {
                    Tensor logits = model.logits(inputs);
                    sink.accept(compareWhereReal(
                            name, logits, golden.tensor(name), inputs.attentionMask(), tolerances.logits()));
                } else if (name.equals(ADAPTED + "loss")) {
                    double difference =
                            Math.abs(loss(golden, "") - golden.tensor(name).item());
                    sink.accept(Check.within(name, difference, tolerances.loss(), ""));
                } else if (!name.startsWith(ADAPTED + GRADIENT)) {
                    sink.accept(Check.failed(name, "this quantity is not implemented"));
                }
            }
        }
        List<String> gradients = adapted.stream()
                .filter(name -> name.startsWith(ADAPTED + GRADIENT))
                .toList();
        checkGradients(golden, ADAPTED + GRADIENT, gradients, sink);
        adapter.close();
    }

    private static List<String> startingWith(String prefix, List<String> names) {
        return names.stream().filter(name -> name.startsWith(prefix)).toList();
    }

    private Check check(GoldenFile golden, String name) {
        int dot = name.lastIndexOf('.');
        String prefix = name.substring(0, dot + 1);
        String quantity = name.substring(dot + 1);
        if (prefix.equals("hidden_states.")) {
            Tensor actual = hiddenStates(golden.inputs(""), Integer.parseInt(quantity));
            return compareWhereReal(
                    name, actual, golden.tensor(name), golden.batch("").attentionMask(), tolerances.logits());
        }
        if (prefix.equals("router_logits.")) {
            return routers.logits(name, Integer.parseInt(quantity), golden);
        }
        return switch (quantity) {
            case "logits" -> {
                if (golden.classes(prefix) != null) {
                    Tensor actual = model.logits(golden.inputs(prefix));
                    yield compare(name, actual, golden.tensor(name), tolerances.logits());
                }
                yield prompts.logits(name, golden.inputs(prefix), golden.tensor(name));
            }
            case "loss", "lm_loss" -> {
                double actual = loss(golden, prefix) + (quantity.equals("loss") ? penalty(false) : 0);
                double expected = golden.tensor(name).item();
                yield Check.within(name, Math.abs(actual - expected), tolerances.loss(), "");
            }
            case "aux_loss" -> routers.auxiliaryLoss(name, golden);
            case "loss_with_aux" -> routers.lossWithAuxiliary(name, golden, () -> loss(golden, prefix));
            case "output_ids" -> checkGeneration(golden, name, prefix);
            default -> Check.failed(name, "this quantity is not implemented");
        };
    }

    /** What the method adds to the loss. */
    private double penalty(boolean addGradients) {
        return adapter == null ? 0 : adapter.trainingHooks().penalty(addGradients);
    }

    private double loss(GoldenFile golden, String prefix) {
        return new Backpropagation(model, GradientCheckpointing.none())
                .evaluate(golden.inputs(prefix), lossHead(golden, prefix));
    }

    /** The mean loss over the labelled tokens or, of a classifier, over the sequences. */
    private LossHead lossHead(GoldenFile golden, String prefix) {
        int[] classes = golden.classes(prefix);
        if (classes != null) {
            return ClassificationLoss.singleLabel(
                    model.network(), golden.inputs(prefix), classes, 1.0 / classes.length);
        }
        Batch batch = golden.batch(prefix);
        return LanguageModelLoss.of(model.network(), batch, 1.0 / Math.max(1, batch.labelledTokens()));
    }

    /** Number {@code index} of {@code output_hidden_states}: embeddings first, the last one after the final norm. */
    private Tensor hiddenStates(ModelInputs inputs, int index) {
        try (Autograd.Mode mode = Autograd.disabled()) {
            SequenceContext context = model.context(inputs);
            List<? extends DecoderLayer> layers = model.network().layers();
            if (index == layers.size()) {
                return model.hiddenStates(inputs, context);
            }
            try (ModelSegments segments = ModelSegments.of(model)) {
                return segments.forward(inputs, context, (segment, output) -> segment < index);
            }
        }
    }

    private Check checkGeneration(GoldenFile golden, String name, String prefix) {
        String inputPrefix = prefix.equals("gen_stop.") ? "gen_batch." : prefix;
        int[][] expected = golden.rows(name);
        int promptLength =
                golden.rows(golden.has(inputPrefix + "input_ids") ? inputPrefix + "input_ids" : "input_ids")[0].length;
        List<int[]> prompts = new ArrayList<>();
        for (int row = 0; row < expected.length; row++) {
            int padding = 0;
            if (golden.has(inputPrefix + "attention_mask")) {
                padding = (int) Arrays.stream(golden.rows(inputPrefix + "attention_mask")[row])
                        .filter(real -> real == 0)
                        .count();
            }
            prompts.add(Arrays.copyOfRange(expected[row], padding, promptLength));
        }
        GenerationOptions.Builder options = GenerationOptions.greedy(expected[0].length - promptLength).toBuilder();
        if (golden.has(prefix + "eos_token_id")) {
            options.stopTokens(Arrays.stream(golden.rows(prefix + "eos_token_id")[0])
                    .boxed()
                    .collect(Collectors.toSet()));
        }
        int[] tasks = golden.tasks(prefix);
        List<int[]> generated = new ArrayList<>();
        if (tasks == null) {
            generated.addAll(TextGenerator.of(model).generate(prompts, options.build(), (row, token) -> {}));
        } else { // each row after the virtual tokens of its task
            for (int row = 0; row < prompts.size(); row++) {
                generated.addAll(TextGenerator.of(model)
                        .generate(
                                List.of(prompts.get(row)),
                                options.taskId(tasks[row]).build(),
                                (at, token) -> {}));
            }
        }
        for (int row = 0; row < expected.length; row++) {
            // Finished rows are filled with the padding token, 0 in the recorded files.
            int[] actual = Arrays.copyOf(generated.get(row), expected[row].length - promptLength);
            int[] wanted = Arrays.copyOfRange(expected[row], promptLength, expected[row].length);
            if (!Arrays.equals(actual, wanted)) {
                return Check.equality(
                        name,
                        false,
                        "row " + row + ": " + Arrays.toString(actual) + ", expected " + Arrays.toString(wanted));
            }
        }
        return Check.equality(name, true, expected.length + " rows of equal ids");
    }

    private void checkGradients(GoldenFile golden, String prefix, List<String> names, Consumer<Check> sink) {
        Map<String, Parameter> parameters =
                adapter == null ? model.network().namedParameters() : adapter.parametersByKey();
        try (AttachedStrategy full = adapter == null ? new FullFineTuning().attach(model) : null) {
            parameters.values().forEach(Parameter::clearGrad);
            // Dropout is off: goldens are recorded without it.
            new Backpropagation(model, GradientCheckpointing.none())
                    .withoutDropout()
                    .run(golden.inputs(""), lossHead(golden, ""));
            penalty(true);
            Set<String> compared =
                    names.stream().map(name -> name.substring(prefix.length())).collect(Collectors.toSet());
            for (String name : names) {
                try (TensorScope scope = TensorScope.open()) {
                    sink.accept(checkGradient(golden, name, prefix, parameters.get(name.substring(prefix.length()))));
                }
            }
            parameters.forEach((key, parameter) -> {
                if (parameter.isTrainable() && parameter.grad() != null && !compared.contains(key)) {
                    sink.accept(Check.failed(prefix + key, "the golden file has no such gradient"));
                }
            });
            parameters.values().forEach(Parameter::clearGrad);
        }
    }

    private Check checkGradient(GoldenFile golden, String name, String prefix, @Nullable Parameter parameter) {
        if (parameter == null) {
            return Check.failed(name, "there is no such parameter");
        }
        Tensor expected = golden.tensor(name);
        Tensor gradient = parameter.grad();
        Tensor actual = gradient == null
                ? Tensors.zeros(expected.dtype(), expected.device(), expected.shape())
                : gradient.to(expected.device());
        if (!Arrays.equals(actual.shape(), expected.shape())) {
            return Check.failed(
                    name,
                    "shape " + Arrays.toString(actual.shape()) + ", expected " + Arrays.toString(expected.shape()));
        }
        double difference = largest(actual.sub(expected));
        if (golden.isZeroGradient(name.substring(prefix.length()))) {
            return Check.within(name, difference, tolerances.zeroGradient(), "zero in exact arithmetic");
        }
        return Check.within(name, difference, tolerances.gradient() * largest(expected) + 1e-7, "");
    }

    /** 0 where there are no numbers: a layer can be left without ranks. */
    private static double largest(Tensor tensor) {
        return tensor.numel() == 0 ? 0 : tensor.abs().max().item();
    }

    private Check checkMerged(GoldenFile golden) {
        if (adapter == null) {
            return Check.failed("merged_logits", "there is no adapter to merge");
        }
        adapter.mergeKeepingTies();
        try (TensorScope scope = TensorScope.open()) {
            ModelInputs inputs = golden.inputs("");
            return compareWhereReal(
                    "merged_logits",
                    model.logits(inputs),
                    golden.tensor("merged_logits"),
                    inputs.attentionMask(),
                    tolerances.mergedLogits());
        }
    }

    /**
     * Compares [batch, seq, ...] at real tokens only: what padding becomes means nothing, but it must be a number. A classifier's [batch, labels] is
     * compared as it is.
     */
    static Check compareWhereReal(String name, Tensor actual, Tensor expected, byte[] attentionMask, double limit) {
        if (!Arrays.equals(actual.shape(), expected.shape())) {
            return Check.failed(
                    name,
                    "shape " + Arrays.toString(actual.shape()) + ", expected " + Arrays.toString(expected.shape()));
        }
        if (!actual.isFinite()) {
            return Check.failed(name, "there are values that are no numbers");
        }
        if (expected.dim() == 2 && expected.size(0) != attentionMask.length) {
            return compare(name, actual, expected, limit);
        }
        int[] real = IntStream.range(0, attentionMask.length)
                .filter(i -> attentionMask[i] == 1)
                .toArray();
        Tensor index = Tensors.of(real, real.length).to(DType.INT64);
        long width = expected.size(-1);
        return compare(name, rows(actual.to(expected.device()), index, width), rows(expected, index, width), limit);
    }

    private static Check compare(String name, Tensor actual, Tensor expected, double limit) {
        if (!Arrays.equals(actual.shape(), expected.shape())) {
            return Check.failed(
                    name,
                    "shape " + Arrays.toString(actual.shape()) + ", expected " + Arrays.toString(expected.shape()));
        }
        Tensor difference = actual.to(expected.device()).to(DType.FLOAT32).sub(expected);
        return Check.within(name, difference.abs().max().item(), limit, "");
    }

    private static Tensor rows(Tensor tensor, Tensor index, long width) {
        return tensor.reshape(-1, width).to(DType.FLOAT32).indexSelect(0, index);
    }
}
