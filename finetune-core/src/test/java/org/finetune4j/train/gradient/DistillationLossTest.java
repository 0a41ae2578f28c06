package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.finetune4j.InputFiles;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.DirectionalDerivative;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What students learn from teachers has the numbers of TRL 1.13's {@code GKDTrainer.generalized_jsd_loss}, and its own derivatives. */
class DistillationLossTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens");
    private static final JsonNode RECORDED = InputFiles.json(GOLDENS.resolve("distillation.json"));
    private static final int TOKENS = RECORDED.path("tokens").asInt();
    private static final int WORDS = RECORDED.path("words").asInt();

    static Stream<JsonNode> cases() {
        return elements(RECORDED.path("cases"));
    }

    static Stream<JsonNode> models() {
        return elements(RECORDED.path("models").path("cases"));
    }

    private static Stream<JsonNode> elements(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false);
    }

    private static double[] numbers(JsonNode array) {
        return elements(array).mapToDouble(JsonNode::asDouble).toArray();
    }

    private static Tensor recorded(String name) {
        return Tensors.of(numbers(RECORDED.path(name)), TOKENS, WORDS);
    }

    private static int[] ids(JsonNode array) {
        return elements(array).mapToInt(JsonNode::asInt).toArray();
    }

    /** The same batch for both models. */
    private static Batch batch() {
        JsonNode models = RECORDED.path("models");
        List<Sample> samples = Stream.of(0, 1)
                .map(row -> new Sample(
                        ids(models.path("inputIds").path(row)),
                        ids(models.path("labels").path(row))))
                .toList();
        return new Collator(0, 1).collate(samples);
    }

    private static CausalLM load(String role) {
        return CausalLM.load(GOLDENS.resolve("arch")
                .resolve(RECORDED.path("models").path(role).asText()));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void lossesAndDerivativesAreThoseOfTrl(JsonNode recorded) {
        try (TensorScope scope = TensorScope.open()) {
            GeneralizedDivergence divergence = new GeneralizedDivergence(
                    recorded.path("beta").asDouble(),
                    recorded.path("temperature").asDouble());
            GeneralizedDivergence.Value value =
                    divergence.of(recorded("student"), new TeacherDistribution.AllWords(recorded("teacher")));
            assertArrayEquals(numbers(recorded.path("losses")), value.losses().toDoubleArray(), 2e-6);
            assertArrayEquals(
                    numbers(recorded.path("gradient")), value.derivative().toDoubleArray(), 2e-6);
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void aStudentsLossAndGradientsAreThoseOfTrl(JsonNode recorded) {
        Batch batch = batch();
        try (CausalLM student = load("student");
                CausalLM teacher = load("teacher");
                AttachedStrategy full = new FullFineTuning().attach(student);
                TensorScope scope = TensorScope.open()) {
            DistillationOptions options =
                    new DistillationOptions(recorded.path("beta").asDouble(), 1, 1);
            double loss = run(student, batch, options, new ModelTeacher(teacher));
            assertEquals(recorded.path("loss").asDouble(), loss, 2e-6);
            recorded.path("norms").properties().forEach(norm -> {
                Parameter parameter = student.network().namedParameters().get(norm.getKey());
                Tensor gradient = Objects.requireNonNull(parameter.grad());
                assertEquals(norm.getValue().asDouble(), gradient.norm().item(), 2e-5, norm.getKey());
            });
        }
    }

    /** More tokens than are compared at once give what they give some at a time. */
    @Test
    void manyTokensAreComparedBlockByBlock() {
        Random random = new Random(5);
        List<Sample> samples = Stream.generate(() -> random.ints(64, 0, 190).toArray())
                .limit(100)
                .map(ids -> new Sample(ids, ids))
                .toList();
        DistillationOptions options = new DistillationOptions(0.5, 1, 0.7);
        try (CausalLM student = load("student");
                CausalLM teacher = load("teacher");
                AttachedStrategy full = new FullFineTuning().attach(student);
                TensorScope scope = TensorScope.open()) {
            Teacher asked = new ModelTeacher(teacher);
            double apart = 0;
            for (List<Sample> half : List.of(samples.subList(0, 50), samples.subList(50, 100))) {
                apart += backward(student, half, options, asked);
            }
            Parameter embedding = student.network().inputEmbedding().weight();
            Tensor gradient = Objects.requireNonNull(embedding.grad()).copy();
            embedding.clearGrad();
            assertEquals(apart, backward(student, samples, options, asked), 1e-4 * apart);
            double difference = gradient.sub(Objects.requireNonNull(embedding.grad()))
                    .abs()
                    .max()
                    .item();
            assertTrue(difference <= 1e-4 * gradient.abs().max().item(), () -> "difference " + difference);
        }
    }

    private static double backward(
            CausalLM student, List<Sample> samples, DistillationOptions options, Teacher teacher) {
        Batch batch = new Collator(0, 1).collate(samples);
        return new Backpropagation(student, GradientCheckpointing.none())
                .run(batch.modelInputs(), new DistillationLoss(student.network(), batch, 1, options, teacher));
    }

    private static double run(CausalLM student, Batch batch, DistillationOptions options, Teacher teacher) {
        DistillationLoss head =
                new DistillationLoss(student.network(), batch, 1.0 / batch.labelledTokens(), options, teacher);
        double loss = new Backpropagation(student, GradientCheckpointing.none()).run(batch.modelInputs(), head);
        assertEquals(
                loss,
                new Backpropagation(student, GradientCheckpointing.none()).evaluate(batch.modelInputs(), head),
                1e-5);
        return loss;
    }

    @ParameterizedTest
    @CsvSource({"0, 1", "0.3, 1", "1, 1", "0, 2", "0.7, 3", "1, 0.5"})
    void allWordsNamedAreTheWholeDistribution(double beta, double temperature) {
        try (TensorScope scope = TensorScope.open()) {
            GeneralizedDivergence divergence = new GeneralizedDivergence(beta, temperature);
            Tensor logprobs = Functional.logSoftmax(recorded("teacher").div(temperature), -1);
            Functional.TopK all = Functional.topK(logprobs, WORDS);
            GeneralizedDivergence.Value whole =
                    divergence.of(recorded("student"), new TeacherDistribution.AllWords(recorded("teacher")));
            GeneralizedDivergence.Value named =
                    divergence.of(recorded("student"), new TeacherDistribution.Likeliest(all.indices(), all.values()));
            assertArrayEquals(whole.losses().toDoubleArray(), named.losses().toDoubleArray(), 1e-6);
            assertArrayEquals(
                    whole.derivative().toDoubleArray(), named.derivative().toDoubleArray(), 1e-6);
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 1", "0.3, 1", "1, 1", "0, 2", "0.7, 3", "1, 0.5"})
    void someNamedWordsHaveTheDerivativeOfTheirLoss(double beta, double temperature) {
        try (TensorScope scope = TensorScope.open()) {
            GeneralizedDivergence divergence = new GeneralizedDivergence(beta, temperature);
            Functional.TopK some =
                    Functional.topK(Functional.logSoftmax(recorded("teacher").div(temperature), -1), 3);
            double[] logprobs = some.values().toDoubleArray();
            logprobs[logprobs.length - 1] = 2 * TeacherDistribution.Likeliest.NONE; // one token names two words only
            TeacherDistribution said =
                    new TeacherDistribution.Likeliest(some.indices(), Tensors.of(logprobs, TOKENS, 3));
            double[] derivative =
                    divergence.of(recorded("student"), said).derivative().toDoubleArray();
            double[] student = numbers(RECORDED.path("student"));
            for (int at = 0; at < student.length; at++) {
                double step = 1e-6;
                double up = sum(divergence, student, at, step, said);
                double down = sum(divergence, student, at, -step, said);
                assertEquals((up - down) / (2 * step), derivative[at], 1e-8, "score " + at);
            }
        }
    }

    private static double sum(
            GeneralizedDivergence divergence, double[] student, int at, double step, TeacherDistribution said) {
        double[] moved = student.clone();
        moved[at] += step;
        return Arrays.stream(divergence
                        .of(Tensors.of(moved, TOKENS, WORDS), said)
                        .losses()
                        .toDoubleArray())
                .sum();
    }

    @Test
    void theForwardDivergenceIsTheTeachersCrossEntropyWithoutItsEntropy() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor teacher = Functional.logSoftmax(recorded("teacher"), -1);
            Tensor student = Functional.logSoftmax(recorded("student"), -1);
            Tensor crossEntropy = teacher.exp().mul(student).sum(-1, true).neg();
            Tensor entropy = teacher.exp().mul(teacher).sum(-1, true).neg();
            assertArrayEquals(
                    crossEntropy.sub(entropy).toDoubleArray(),
                    new GeneralizedDivergence(0, 1)
                            .of(recorded("student"), new TeacherDistribution.AllWords(recorded("teacher")))
                            .losses()
                            .toDoubleArray(),
                    1e-12);
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.5, 1})
    void whoSaysTheSameAsItsTeacherHasNothingToLearn(double beta) {
        try (TensorScope scope = TensorScope.open()) {
            GeneralizedDivergence.Value value = new GeneralizedDivergence(beta, 1.7)
                    .of(recorded("teacher"), new TeacherDistribution.AllWords(recorded("teacher")));
            assertArrayEquals(new double[TOKENS], value.losses().toDoubleArray(), 1e-12);
            assertArrayEquals(new double[TOKENS * WORDS], value.derivative().toDoubleArray(), 1e-12);
        }
    }

    /** A teacher of other words than the student has. */
    private static Teacher constant(double[] logits, int words) {
        return new Teacher() {
            @Override
            public double under(Batch batch, ToDoubleFunction<Scores> loss) {
                return loss.applyAsDouble((start, count) -> {
                    double[] rows = new double[count * words];
                    for (int i = 0; i < rows.length; i++) {
                        rows[i] = logits[i % words];
                    }
                    return new TeacherDistribution.AllWords(Tensors.of(rows, count, words));
                });
            }
        };
    }

    @Test
    void whereATeacherNamesNothingTheLabelIsLearned() {
        Batch batch = batch();
        Teacher silent = new Teacher() {
            @Override
            public double under(Batch asked, ToDoubleFunction<Scores> loss) {
                return loss.applyAsDouble((start, count) -> new TeacherDistribution.Likeliest(
                        Tensors.of(new long[count], count, 1),
                        Tensors.of(new double[count], count, 1).addInPlace(2 * TeacherDistribution.Likeliest.NONE)));
            }
        };
        try (CausalLM student = load("student");
                AttachedStrategy full = new FullFineTuning().attach(student);
                TensorScope scope = TensorScope.open()) {
            double loss = run(student, batch, new DistillationOptions(0.5, 1, 1), silent);
            Map<String, float[]> learned = NamedGradients.of(student.network().namedParameters());
            student.network().allParameters().forEach(Parameter::clearGrad);
            LanguageModelLoss labels = LanguageModelLoss.of(student.network(), batch, 1.0 / batch.labelledTokens());
            assertEquals(
                    new Backpropagation(student, GradientCheckpointing.none()).run(batch.modelInputs(), labels),
                    loss,
                    1e-6);
            NamedGradients.assertSame(NamedGradients.of(student.network().namedParameters()), learned, 1e-6f);
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 1, 1, 199", "0.5, 2, 0.4, 199", "1, 1, 0.7, 190", "0.5, 1, 0.4, 205"})
    void aModelsGradientIsTheDerivativeOfItsLoss(double beta, double temperature, double alpha, int words) {
        Batch batch = batch();
        Batch written = batch.withColumns(
                Map.of(DistillationLoss.WRITTEN_BY_STUDENT, new float[][] {new float[] {1}, new float[] {0}}));
        double[] logits = new double[words];
        Arrays.setAll(logits, i -> Math.sin(i * i));
        DistillationOptions options = new DistillationOptions(beta, temperature, alpha);
        try (CausalLM student = CausalLM.load(
                        GOLDENS.resolve("arch/llama"), LoadOptions.defaults().inDoublePrecision());
                AttachedStrategy full = new FullFineTuning().attach(student);
                TensorScope scope = TensorScope.open()) {
            Teacher teacher = constant(logits, words);
            double loss = run(student, written, options, teacher);
            for (String name : List.of("lm_head.weight", "model.norm.weight", "model.layers.0.mlp.up_proj.weight")) {
                DirectionalDerivative.assertIsGradient(
                        student.network().namedParameters().get(name),
                        () -> new Backpropagation(student, GradientCheckpointing.none())
                                .evaluate(
                                        written.modelInputs(),
                                        new DistillationLoss(
                                                student.network(),
                                                written,
                                                1.0 / written.labelledTokens(),
                                                options,
                                                teacher)));
            }
            student.network().allParameters().forEach(Parameter::clearGrad);
            assertTrue(
                    alpha == 1 || loss != run(student, batch, options, teacher),
                    "the student's own words are no labels");
        }
    }
}
