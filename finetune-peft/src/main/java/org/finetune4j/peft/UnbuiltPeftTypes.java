package org.finetune4j.peft;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.FineTuningStrategy;

/** Adapters of the types of PEFT 0.21 that are not built here: they are known, and refused by their names. */
public final class UnbuiltPeftTypes implements AdapterFormat {

    private static final String OTHERS = "is not built here";

    private static final Map<String, String> REASONS = reasons();

    /** Made by the service loader. */
    public UnbuiltPeftTypes() {}

    private static Map<String, String> reasons() {
        Map<String, String> reasons = new TreeMap<>();
        for (String type :
                "ADAMSS ADAPTION_PROMPT BEFT CARTRIDGE CPT DEFT FROD GLORA LILY OSF PEANUT PSOFT PVERA SHADOW"
                        .concat(" SUPERTUNING TINYLORA UNILORA WAVEFT")
                        .split(" ")) {
            reasons.put(type, OTHERS);
        }
        reasons.put("POLY", OTHERS + ": rows of one batch would need layers of their own, by task");
        return reasons;
    }

    /** {@return the types, as {@code peft_type} names them} */
    public static Set<String> names() {
        return new TreeSet<>(REASONS.keySet());
    }

    private static String type(Path directory) {
        return AdapterConfigFile.typeOf(directory).orElse("");
    }

    @Override
    public boolean accepts(Path directory) {
        return REASONS.containsKey(type(directory));
    }

    @Override
    public FineTuningStrategy method(Path directory) {
        throw unbuilt(directory);
    }

    @Override
    public Adapter attach(CausalLM model, Path directory, boolean trainable) {
        throw unbuilt(directory);
    }

    private static UserErrorException unbuilt(Path directory) {
        String type = type(directory);
        return new UserErrorException(directory.resolve(AdapterConfigFile.NAME) + ": 'peft_type' is " + type
                + ", which " + REASONS.get(type));
    }
}
