package org.finetune4j.rlhf.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.rlhf.pair.SampleHash;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.ModelTeacher;
import org.finetune4j.train.gradient.TeacherDistribution.AllWords;
import org.finetune4j.train.objective.Ranks;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The likeliest words of a teacher in the place of every labelled token of some samples, computed once and kept in a file: {@code words}
 * and {@code logprobs}, [tokens, k], and {@code first}, the number of every sample's first token. The file names samples, temperature
 * and teacher, and stays mapped.
 */
final class TopLogits implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(TopLogits.class);
    private static final int TOGETHER = 8;

    private static final String SAMPLES = "samples";
    private static final String TEMPERATURE = "temperature";
    private static final String TEACHER = "teacher";

    private final SafetensorsFile file;
    private final Tensor words;
    private final Tensor logprobs;
    private final long[] first;

    private TopLogits(SafetensorsFile file, Tensor words, Tensor logprobs, long[] first) {
        this.file = file;
        this.words = words;
        this.logprobs = logprobs;
        this.first = first;
    }

    /**
     * How they are made.
     *
     * @param directory of the files
     * @param k the likeliest words of each token; 0 for as many as a file has
     * @param temperature of the teacher's distribution
     */
    record Settings(Path directory, int k, double temperature) {

        /** As many words as a teacher names where nobody says how many. */
        static final int DEFAULT_K = 64;

        Path file(String part) {
            return directory.resolve("teacher-logits-" + part + ".safetensors");
        }
    }

    /**
     * Reads what a teacher said, or asks it and writes that down.
     *
     * @param part of the data, which names the file
     * @param named the teacher that the user names, or an empty text where none is
     * @param teacher opens it, which only happens where there is no file
     * @param ranks of the group, whose first rank asks and writes for all
     * @throws UserErrorException when the file is of other samples, another temperature or another teacher
     */
    static TopLogits of(
            TrainingDataset samples,
            Settings settings,
            String part,
            String named,
            Supplier<CausalLM> teacher,
            Ranks ranks) {
        Path file = settings.file(part);
        String hash = SampleHash.of(samples);
        ranks.onFirst(others -> {
            if (!Files.exists(file)) {
                write(
                        file,
                        samples,
                        settings,
                        Map.of(
                                SAMPLES, hash,
                                TEMPERATURE, String.valueOf(settings.temperature),
                                TEACHER, named),
                        teacher.get(),
                        () -> others.work(settings.directory));
            }
        });
        TopLogits read = read(file, settings, hash, named, samples.size());
        LOG.info("what the teacher said about {} samples is read from {}", samples.size(), file);
        return read;
    }

    private static UserErrorException refusal(Path file, String whose) {
        return new UserErrorException(file + ": what a teacher said is there of " + whose
                + "; delete the file, or name another teacher_logits");
    }

    private static TopLogits read(Path path, Settings settings, String hash, String named, int samples) {
        SafetensorsFile file = SafetensorsFile.open(path);
        try (TensorScope scope = TensorScope.open()) {
            if (!hash.equals(file.metadata().get(SAMPLES))
                    || !file.contains("words")
                    || !file.contains("logprobs")
                    || !file.contains("first")) {
                throw refusal(path, "other samples (other data, template, lengths or order)");
            }
            String temperature = file.metadata().getOrDefault(TEMPERATURE, "");
            if (!temperature.equals(String.valueOf(settings.temperature))) {
                throw refusal(
                        path,
                        "distillation_temperature " + temperature + ", and it is " + settings.temperature + " now");
            }
            String teacher = file.metadata().getOrDefault(TEACHER, "");
            if (!named.isEmpty() && !named.equals(teacher)) {
                throw refusal(path, "the teacher " + teacher + ", and it is " + named + " now");
            }
            long[] first = file.tensor("first").toLongArray();
            long[] shape = file.info("words").shape();
            if (first.length != samples + 1
                    || shape.length != 2
                    || shape[0] != first[samples]
                    || !Arrays.equals(shape, file.info("logprobs").shape())) {
                throw refusal(path, "other samples: their shape is " + Arrays.toString(shape));
            }
            if (settings.k > 0 && shape[1] != settings.k) {
                throw refusal(path, shape[1] + " words a token, and loss_top_k is " + settings.k);
            }
            return new TopLogits(
                    file,
                    file.tensor("words").unscoped(),
                    file.tensor("logprobs").unscoped(),
                    first);
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    /** @param onTheWay is called now and then, so that a rank that waits for the file sees that it is being written */
    private static void write(
            Path file,
            TrainingDataset samples,
            Settings settings,
            Map<String, String> metadata,
            CausalLM teacher,
            Runnable onTheWay) {
        long[] first = new long[samples.size() + 1];
        for (int i = 0; i < samples.size(); i++) {
            first[i + 1] = first[i] + samples.get(i).labelledTokens();
        }
        long tokens = first[samples.size()];
        int k = (int) Math.min(
                settings.k > 0 ? settings.k : Settings.DEFAULT_K,
                teacher.network().outputLayer().outFeatures());
        long bytes = Math.multiplyExact(Math.multiplyExact(tokens, k), 4L);
        Path scratch = AtomicFiles.temporaryDirectory(settings.directory, "teacher-logits");
        try (TensorScope scope = TensorScope.open()) {
            Tensor words = Tensors.mappedNew(scratch.resolve("words"), bytes)
                    .viewAs(DType.INT32)
                    .view(tokens, k);
            Tensor logprobs = Tensors.mappedNew(scratch.resolve("logprobs"), bytes)
                    .viewAs(DType.FLOAT32)
                    .view(tokens, k);
            Collator collator = Collator.of(teacher);
            for (int start = 0; start < samples.size(); start += TOGETHER) {
                int end = Math.min(samples.size(), start + TOGETHER);
                List<Sample> some = new ArrayList<>();
                for (int i = start; i < end; i++) {
                    some.add(samples.get(i));
                }
                long at = first[start];
                long count = first[end] - at;
                if (count > 0) {
                    ask(
                            teacher,
                            collator.collate(some),
                            settings.temperature,
                            words.narrow(0, at, count),
                            logprobs.narrow(0, at, count));
                }
                onTheWay.run();
            }
            SafetensorsWriter.write(
                    file,
                    List.of(
                            SafetensorsWriter.Entry.of("first", Tensors.of(first, first.length)),
                            SafetensorsWriter.Entry.of("words", words),
                            SafetensorsWriter.Entry.of("logprobs", logprobs)),
                    metadata);
        } finally {
            AtomicFiles.deleteTemporary(scratch);
        }
    }

    /** @param words [tokens, k], filled with the likeliest of every labelled token of the batch, as {@code logprobs} */
    private static void ask(CausalLM teacher, Batch batch, double temperature, Tensor words, Tensor logprobs) {
        long k = words.size(1);
        int piece = 96;
        new ModelTeacher(teacher).under(batch, said -> {
            int tokens = Math.toIntExact(words.size(0));
            for (int start = 0; start < tokens; start += piece) {
                int count = Math.min(piece, tokens - start);
                try (TensorScope scope = TensorScope.open()) {
                    Tensor logits = ((AllWords) said.of(start, count)).logits();
                    Tensor wide = logits.to(logits.dtype().atLeastFloat32());
                    Functional.TopK top = Functional.topK(
                            Functional.logSoftmax(temperature == 1 ? wide : wide.div(temperature), -1), k);
                    words.narrow(0, start, count)
                            .copyInPlace(top.indices().to(Device.CPU).to(DType.INT32));
                    logprobs.narrow(0, start, count)
                            .copyInPlace(top.values().to(Device.CPU).to(DType.FLOAT32));
                }
            }
            return 0;
        });
    }

    /** A sample with what the teacher said about it. */
    Sample with(Sample sample, int index) {
        long from = first[index];
        long count = first[index + 1] - from;
        if (count == 0) {
            return sample.with(StoredTeacher.WORDS, new float[0]).with(StoredTeacher.LOGPROBS, new float[0]);
        }
        try (TensorScope scope = TensorScope.open()) {
            return sample.with(
                            StoredTeacher.WORDS,
                            words.narrow(0, from, count).to(DType.FLOAT32).toFloatArray())
                    .with(
                            StoredTeacher.LOGPROBS,
                            logprobs.narrow(0, from, count).toFloatArray());
        }
    }

    @Override
    public void close() {
        words.close();
        logprobs.close();
        file.close();
    }
}
