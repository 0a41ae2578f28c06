package org.finetune4j.peft.merge;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.finetune4j.AtomicFiles;
import org.finetune4j.OutputPath;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.model.Vocabulary;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * Makes one adapter directory of several on one base. LoRA is combined as PEFT's {@code add_weighted_adapter} does; of other
 * methods the mean of the parameters is taken, where it means something. No model is needed.
 */
public final class AdapterMerge {

    private static final double EXACT = 1e-6;

    private AdapterMerge() {}

    /**
     * Writes the merged adapter.
     *
     * @param adapters their directories, all of one method
     * @param weights of the adapters, in their order
     * @param combination how LoRA is combined; a rank below 1 stands for the largest of the adapters
     * @param output the directory to write
     * @throws UserErrorException when the adapters are of different methods or settings, or of a method that cannot be
     *     merged so
     */
    public static void write(List<Path> adapters, double[] weights, LoraCombination combination, Path output) {
        if (adapters.isEmpty() || adapters.size() != weights.length) {
            throw new UserErrorException(
                    "merging needs one weight for each of " + adapters.size() + " adapters, not " + weights.length);
        }
        OutputPath.requireOther(output, adapters);
        Inputs.checkFactors("weights", weights);
        List<StoredAdapter> opened = new ArrayList<>();
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            adapters.forEach(adapter -> opened.add(StoredAdapter.open(adapter)));
            checkOneMethod(opened);
            checkOneVocabulary(adapters);
            if (opened.size() == 1 && weights[0] == 1) {
                copy(opened.get(0), output);
            } else if (opened.get(0).peftType().equals("LORA")) {
                new LoraMerge(opened, weights, combination).write(output);
            } else {
                writeMean(opened, weights, combination.type(), output);
            }
            try (AdapterDirectory text = AdapterDirectory.open(adapters.get(0), null)) {
                text.copyTo(output);
            }
        } finally {
            opened.forEach(StoredAdapter::close);
        }
    }

    private static void checkOneVocabulary(List<Path> adapters) {
        Optional<Vocabulary> first = Vocabulary.of(adapters.get(0));
        for (Path other : adapters.subList(1, adapters.size())) {
            Optional<Vocabulary> second = Vocabulary.of(other);
            if (first.isPresent() && second.isPresent()) {
                second.get().conflictWith(first.get()).ifPresent(difference -> {
                    throw new UserErrorException(difference + ": the adapters were trained with other tokens");
                });
            }
        }
    }

    private static void checkOneMethod(List<StoredAdapter> adapters) {
        StoredAdapter first = adapters.get(0);
        for (StoredAdapter other : adapters) {
            if (!other.peftType().equals(first.peftType())) {
                throw new UserErrorException(other.directory() + ": is " + other.peftType() + ", but "
                        + first.directory() + " is " + first.peftType() + ": only adapters of one method are merged");
            }
        }
    }

    private static void copy(StoredAdapter adapter, Path output) {
        for (String name : List.of(adapter.fileName(), AdapterConfigFile.NAME)) {
            Path source = adapter.directory().resolve(name);
            AtomicFiles.copy(source, output.resolve(name));
        }
    }

    private static void writeMean(List<StoredAdapter> adapters, double[] weights, CombinationType type, Path output) {
        StoredAdapter first = adapters.get(0);
        if (!first.parametersAverage()) {
            throw new UserErrorException(
                    first.directory() + ": " + first.peftType() + " multiplies parameters that every"
                            + " training turns in its own way: fold each adapter into the base and merge the models");
        }
        if (type != CombinationType.LINEAR && type != CombinationType.CAT) {
            throw new UserErrorException(first.directory() + ": adapters of " + first.peftType()
                    + " can be merged by linear only, not by " + type.peftName());
        }
        requireMean(weights, first.peftType());
        AdapterSettings.checkSame(adapters);
        List<String> names = first.file().names();
        for (StoredAdapter other : adapters) {
            if (!other.file().names().containsAll(names) || other.file().names().size() != names.size()) {
                throw new UserErrorException(other.directory() + ": has other tensors than " + first.directory()
                        + ": merging needs the same");
            }
        }
        List<Entry> entries = names.stream()
                .map(name -> Entry.of(name, mean(adapters, weights, name)))
                .toList();
        SafetensorsWriter.write(
                output.resolve(first.fileName()), FiniteValues.checked(entries), SafetensorsWriter.PYTORCH_METADATA);
        AdapterConfigFile.write(output, first.config().asMap());
    }

    /**
     * Refuses weights that do not add up to 1.
     *
     * @param what is replaced and not added, so that a sum would be no average of it
     */
    static void requireMean(double[] weights, String what) {
        double sum = Arrays.stream(weights).sum();
        if (Math.abs(sum - 1) > EXACT) {
            throw new UserErrorException("the weights add up to " + sum + ", but of " + what
                    + " only a mean can be taken: expected weights that add up to 1");
        }
    }

    /** The weighted mean of one tensor of all adapters. */
    static Tensor mean(List<StoredAdapter> adapters, double[] weights, String name) {
        List<Tensor> tensors =
                adapters.stream().map(adapter -> adapter.file().tensor(name)).toList();
        return WeightedSum.of(tensors, weights);
    }
}
