package org.finetune4j.peft.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Function;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.GatedBlock;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdapterPart;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.InitialValues;

/**
 * LoRA on one weight of all experts of a layer, PEFT's {@code target_parameters}: transformers holds the experts' weights in one tensor,
 * [experts, out, in] or the other way round, and so do A [experts * rank, in] and B [out, rank * experts] hold those of all experts. Gate and up projections
 * are one weight there and share their A.
 */
final class ExpertFactors implements AdapterPart {

    private static final String GATE_AND_UP = "gate_up_proj";
    private static final String DOWN = "down_proj";

    /** Mixtral's name for its block in files, and that of all blocks in transformers. */
    private static final String MIXTRAL = "block_sparse_moe.experts";

    private static final String USUAL = "mlp.experts";

    private final String key;
    private final Parameter loraA;
    private final Parameter loraB;
    private final List<ExpertProjection> projections = new ArrayList<>();

    /**
     * @param path transformers' name of the tensor
     * @param key of the file, without the names of the two matrices
     * @param projections the layers of one expert that the tensor holds, one below the other
     */
    private ExpertFactors(
            CausalLM model,
            LoraConfig config,
            String path,
            String key,
            List<GatedBlock> experts,
            Function<GatedBlock, List<Linear>> projections,
            boolean trainable) {
        this.key = key;
        List<Linear> first = projections.apply(experts.get(0));
        long out = first.stream().mapToLong(Linear::outFeatures).sum();
        int rank = config.rankOf(path);
        LoraInitialization.Matrices drawn = config.initialization()
                .drawn(
                        model.device(),
                        (long) rank * experts.size(),
                        first.get(0).inFeatures(),
                        out);
        this.loraA =
                InitialValues.parameter(model, path + ".lora_A.weight", drawn.loraA(), trainable && !config.frozenA());
        this.loraB = InitialValues.parameter(model, path + ".lora_B.weight", drawn.loraB(), trainable);
        for (int expert = 0; expert < experts.size(); expert++) {
            long row = 0;
            for (Linear linear : projections.apply(experts.get(expert))) {
                this.projections.add(new ExpertProjection(
                        model.network(),
                        linear,
                        this,
                        new ExpertProjection.Place(expert, experts.size(), rank, row),
                        config.scaleOf(path)));
                row += linear.outFeatures();
            }
        }
    }

    /**
     * Those that the settings name, and the routers', which are layers.
     *
     * @param stored whether the values come from a file, so that none are to be drawn
     * @throws UserErrorException when a name means no weight of experts, with the nearest one
     */
    static List<AdapterPart> of(CausalLM model, LoraConfig config, boolean trainable, boolean stored) {
        List<String> names = config.targetParameters();
        List<AdapterPart> parts = new ArrayList<>();
        if (names.isEmpty()) {
            return parts;
        }
        if (config.frozenA()) {
            throw new UserErrorException("lora_fa is not implemented for target_parameters");
        }
        TreeSet<String> known = new TreeSet<>();
        TreeSet<String> unused = new TreeSet<>(names);
        for (Map.Entry<String, Module> entry : model.network().namedModules().entrySet()) {
            if (!(entry.getValue() instanceof MixtureOfExperts mixture)) {
                continue;
            }
            String place = (entry.getKey() + ".experts").replace(MIXTRAL, USUAL);
            String router = place.replaceFirst("experts$", mixture.routerName());
            known.add(mixture.routerName() + ".weight");
            if (isNamed(router + ".weight", names, unused)) {
                // One matrix, which is a layer here: transformers 5 has it without one, so that PEFT adapts its tensor.
                parts.add(
                        new LoraLayer(model, config, router, router + ".weight", mixture.router(), trainable, stored));
            }
            String both = place + "." + GATE_AND_UP;
            String down = place + "." + DOWN;
            known.add(USUAL + "." + GATE_AND_UP);
            known.add(USUAL + "." + DOWN);
            boolean ofBoth = isNamed(both, names, unused);
            boolean ofDown = isNamed(down, names, unused);
            // PEFT wraps the module once for each of its tensors, the second time around the first.
            String prefix = AdapterWeights.PREFIX + place;
            if (ofBoth) {
                String key = ofDown ? prefix + ".base_layer" : prefix;
                parts.add(new ExpertFactors(
                        model, config, both, key, mixture.experts(), GatedBlock::gateAndUp, trainable));
            }
            if (ofDown) {
                parts.add(new ExpertFactors(
                        model, config, down, prefix, mixture.experts(), expert -> List.of(expert.down()), trainable));
            }
        }
        if (known.isEmpty()) {
            throw new UserErrorException(
                    "target_parameters: this model has no experts, whose weights are in one tensor:"
                            + " name its layers in target_modules");
        }
        if (!unused.isEmpty()) {
            throw new UserErrorException(
                    "target_parameters: '" + unused.first() + "' is no weight of experts or of their router"
                            + Suggestions.among(unused.first(), List.copyOf(known)));
        }
        return parts;
    }

    private static boolean isNamed(String path, List<String> names, Set<String> unused) {
        boolean named = false;
        for (String name : names) {
            if (path.equals(name) || path.endsWith("." + name)) {
                unused.remove(name);
                named = true;
            }
        }
        return named;
    }

    /** [experts * rank, in]. */
    Parameter loraA() {
        return loraA;
    }

    /** [out, rank * experts], the expert's number running fastest. */
    Parameter loraB() {
        return loraB;
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key + ".lora_A.weight", loraA);
        parameters.put(key + ".lora_B.weight", loraB);
        return parameters;
    }

    @Override
    public void enable() {
        allOrNone(ExpertProjection::enable, ExpertProjection::disable);
    }

    @Override
    public void disable() {
        projections.forEach(ExpertProjection::disable);
    }

    @Override
    public void merge(boolean keepTies) {
        allOrNone(projection -> projection.merge(keepTies), ExpertProjection::unmerge);
    }

    private void allOrNone(Consumer<ExpertProjection> action, Consumer<ExpertProjection> undo) {
        List<ExpertProjection> done = new ArrayList<>();
        try {
            for (ExpertProjection projection : projections) {
                action.accept(projection);
                done.add(projection);
            }
        } catch (RuntimeException e) {
            done.forEach(undo);
            throw e;
        }
    }

    @Override
    public void unmerge() {
        projections.forEach(ExpertProjection::unmerge);
    }

    @Override
    public void free() {
        loraA.close();
        loraB.close();
    }
}
