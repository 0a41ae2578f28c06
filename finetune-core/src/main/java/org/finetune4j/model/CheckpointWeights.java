package org.finetune4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.model.safetensors.MappedFile;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** Gives a model the weights of a checkpoint, mapped where dtype and device allow. */
final class CheckpointWeights implements Weights.Source {

    private final CheckpointReader reader;
    private final Architecture architecture;
    private final Device device;
    private final @Nullable DType storageDType;
    private final boolean otherHead;
    private final boolean isPacked;
    private final @Nullable CompressedCheckpointFormat format;
    private final @Nullable WeightCompression compression;
    private final @Nullable ModelPartition partition;
    private final Set<String> used = new HashSet<>();
    private final Set<String> drawn = new TreeSet<>();
    private final Map<String, Integer> countOfStacked = new TreeMap<>();
    private final Set<MappedFile> mapped = new LinkedHashSet<>();

    /**
     * @param otherHead whether the model may have another head than the checkpoint: then what is missing of it is new
     * @param isPacked whether weights of experts may be in MXFP4
     * @param format how the checkpoint holds compressed weights, or null when it holds plain ones
     * @param compression what compresses the plain weights of linear layers, or null
     * @param partition which parts of the tensors are read, or null for all of them
     */
    CheckpointWeights(
            CheckpointReader reader,
            Architecture architecture,
            Device device,
            @Nullable DType storageDType,
            boolean otherHead,
            boolean isPacked,
            @Nullable CompressedCheckpointFormat format,
            @Nullable WeightCompression compression,
            @Nullable ModelPartition partition) {
        this.otherHead = otherHead;
        this.isPacked = isPacked;
        this.reader = reader;
        this.architecture = architecture;
        this.device = device;
        this.storageDType = storageDType;
        this.format = format;
        this.compression = compression;
        this.partition = partition;
    }

    @Override
    public boolean contains(String name) {
        return stored(name).exists();
    }

    @Override
    public Tensor tensor(String name, Initialization initialization, long[] own) {
        ParameterSlice slice = slice(name);
        return tensor(name, initialization, slice == null ? own : slice.wholeShape(own), slice);
    }

    private @Nullable ParameterSlice slice(String name) {
        return partition == null ? null : partition.slice(name);
    }

    private Tensor tensor(String name, Initialization initialization, long[] shape, @Nullable ParameterSlice slice) {
        StoredParameter stored = stored(name);
        if (isNew(name, stored, shape)) {
            drawn.add(name);
            return initialization.create(device, shape);
        }
        if (!stored.isInTensor()) {
            throw new UserErrorException(reader.directory() + ": the checkpoint has no tensor '" + stored.tensor() + "'"
                    + Suggestions.didYouMean(stored.tensor(), reader.names()));
        }
        if (!stored.exists()) {
            throw asksFor(stored.tensor(), stored.stacked(), "more of " + Arrays.toString(shape));
        }
        if (!Arrays.equals(stored.shape(), shape)) {
            throw asksFor(stored.toString(), stored.shape(), Arrays.toString(shape));
        }
        if (!stored.dtype().isFloatingPoint()) {
            throw new UserErrorException(reader.directory() + ": tensor '" + stored.tensor() + "' holds "
                    + stored.dtype() + ", but weights are float32, bfloat16 or float16: this looks like a"
                    + " quantised checkpoint without a quantization_config that is known");
        }
        used.addAll(stored.tensors());
        if (stored.isOfSeveral()) {
            countOfStacked.merge(stored.tensor(), 1, Integer::sum);
        }
        Tensor read = read(stored, slice);
        Tensor tensor = read.to(device);
        Tensor converted =
                storageDType == null ? tensor : FiniteValues.convert(stored.toString(), tensor, storageDType);
        if (stored.isPacked()) {
            stored.release();
            FiniteValues.require(stored.toString(), converted);
        } else if (converted.isSame(read)) {
            mapped.add(reader.fileOf(stored.tensor()));
        }
        return converted;
    }

    private UserErrorException asksFor(String tensor, long[] shape, String other) {
        return new UserErrorException(reader.directory() + ": tensor '" + tensor + "' has the shape "
                + Arrays.toString(shape) + ", but config.json asks for " + other);
    }

    /** What other processes have is not unpacked. */
    private static Tensor read(StoredParameter stored, @Nullable ParameterSlice slice) {
        if (slice == null) {
            return stored.read();
        }
        return slice.of(
                stored.isPacked() && slice.axis().length() == 0
                        ? Tensors.zeros(stored.dtype(), Device.CPU, 1).expand(stored.shape())
                        : stored.read());
    }

    /** The files that tensors of the model still lie in. */
    Set<MappedFile> mappedFiles() {
        return mapped;
    }

    @Override
    public Parameter linearWeight(String name, Initialization initialization, long[] shape) {
        ParameterSlice slice = slice(name);
        CompressedWeight compressed = compressed(name, slice == null ? shape : slice.wholeShape(shape));
        if (compressed == null) {
            return Weights.Source.super.linearWeight(name, initialization, shape);
        }
        if (slice != null) {
            return sliced(name, compressed, slice);
        }
        StoredParameter stored = stored(name);
        return stored.exists() && stored.dtype().isFloatingPoint()
                ? new Parameter(name, compressed, () -> reread(stored))
                : new Parameter(name, compressed);
    }

    /**
     * The part of what is compressed as a whole, in the whole's numbers: its blocks where the part does not cut any, else the
     * numbers themselves.
     */
    private static Parameter sliced(String name, CompressedWeight whole, ParameterSlice slice) {
        try (whole;
                TensorScope scope = TensorScope.open()) {
            CompressedWeight part = slice.axis().length() == 0 ? null : whole.slice(slice);
            return part == null
                    ? new Parameter(
                            name, slice.of(whole.decompress(DType.FLOAT32)).copy())
                    : new Parameter(name, part);
        }
    }

    /** Maps the file again: the pages that reading takes are free as soon as the tensor is. */
    private Tensor reread(StoredParameter stored) {
        try (CheckpointReader again = CheckpointReader.open(stored.reader().directory())) {
            return stored.in(again).read().to(device);
        }
    }

    private @Nullable CompressedWeight compressed(String name, long[] shape) {
        StoredParameter stored = stored(name);
        Set<String> parts = format == null ? Set.of() : format.partsOf(reader, stored.tensor());
        used.addAll(parts);
        // One tensor at a time: the mapped pages of this one are given back before the next is read.
        try (TensorScope scope = TensorScope.open()) {
            CompressedWeight weight;
            if (format != null && !parts.isEmpty()) {
                weight = format.read(reader, stored.tensor(), shape, device);
                parts.forEach(part -> mapped.add(reader.fileOf(part)));
                parts.forEach(reader::release);
            } else if (compression != null && compression.applies(name) && !isNew(name, stored, shape)) {
                weight = compression.compress(
                        FiniteValues.require(stored.toString(), tensor(name, Initialization.ZEROS, shape, null)));
                stored.release();
            } else {
                weight = null;
            }
            return weight;
        }
    }

    /** Whether a tensor is part of a head that the checkpoint has none for. */
    private boolean isNew(String name, StoredParameter stored, long[] shape) {
        return otherHead && isOfHead(name) && !fits(stored, shape);
    }

    /** {@return paths of the modules that the checkpoint lacks, so that they were drawn for a new head} */
    Set<String> newModules() {
        return drawn.stream()
                .map(name -> name.substring(0, name.lastIndexOf('.')))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /**
     * Refuses a checkpoint with weights that the model did not ask for: it was made for something else than its
     * configuration says. Constants that older versions of transformers stored are fine, and so is an output layer beside
     * the embedding it is tied to.
     *
     * @param outputLayer the output layer's name
     */
    void checkAllUsed(boolean tied, String outputLayer) {
        List<String> unused = reader.names().stream()
                .filter(name -> !used.contains(name))
                .filter(name -> !architecture.isDispensable(name) && !(otherHead && isOfHead(name)))
                .filter(name -> !(tied && name.equals(outputLayer + ".weight")))
                .toList();
        if (!unused.isEmpty()) {
            throw new UserErrorException(reader.directory() + ": config.json describes a model without the tensor '"
                    + unused.get(0) + "'"
                    + (unused.size() == 1 ? "" : " and " + (unused.size() - 1) + " others that the checkpoint has"));
        }
        countOfStacked.forEach((tensor, count) -> {
            boolean isPacked = !reader.contains(tensor);
            long[] shape = new StoredParameter(reader, tensor, 0, isPacked).stacked();
            if (count < shape[0]) {
                throw asksFor(
                        tensor, shape, count + " of " + Arrays.toString(Arrays.copyOfRange(shape, 1, shape.length)));
            }
        });
    }

    private boolean isOfHead(String name) {
        return architecture.headPrefixes().stream().anyMatch(name::startsWith);
    }

    private static boolean fits(StoredParameter stored, long[] shape) {
        return stored.exists() && Arrays.equals(stored.shape(), shape);
    }

    /** Where the file has a parameter: by its name, or with others in one tensor. */
    private StoredParameter stored(String name) {
        String own = nameInFile(name);
        StackedTensor place = reader.contains(own) ? null : architecture.stacked(name);
        if (place == null) {
            return new StoredParameter(reader, own, StoredParameter.WHOLE, false);
        }
        String blocks = nameInFile(Mxfp4Tensor.blocksOf(place.tensor()));
        return reader.contains(blocks) && isPacked
                ? new StoredParameter(reader, Mxfp4Tensor.tensorOf(blocks), place.index(), true)
                : new StoredParameter(reader, nameInFile(place.tensor()), place.index(), false);
    }

    /** The name in the file: checkpoints saved from the backbone alone lack its prefix, old ones have other names. */
    private String nameInFile(String name) {
        if (reader.contains(name)) {
            return name;
        }
        List<String> candidates = new ArrayList<>(architecture.formerNames(name));
        candidates.add(0, name);
        String prefix = architecture.backbonePrefix();
        for (String candidate : candidates) {
            if (reader.contains(candidate)) {
                return candidate;
            }
            if (candidate.startsWith(prefix) && reader.contains(candidate.substring(prefix.length()))) {
                return candidate.substring(prefix.length());
            }
        }
        return name;
    }
}
