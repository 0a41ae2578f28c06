package org.finetune4j.cli.convert;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Whose words a configuration is written in. */
public enum Dialect {
    /** LLaMA-Factory, its YAML of August 2026. */
    LLAMA_FACTORY("LLaMA-Factory", List.of("finetuning_type", "cutoff_len", "template", "dataset_dir", "lora_rank")) {
        @Override
        void translate(Conversion conversion) {
            new LlamaFactory(conversion).translate();
        }
    },
    /** Axolotl, its YAML of July 2026. */
    AXOLOTL("Axolotl", List.of("base_model", "micro_batch_size", "sequence_len", "adapter", "num_epochs")) {
        @Override
        void translate(Conversion conversion) {
            new Axolotl(conversion).translate();
        }
    };

    private static final List<String> DATASETS = List.of("dataset", "dataset_dir", "datasets", "pretraining_dataset");

    private final String project;
    private final List<String> signs;

    Dialect(String project, List<String> signs) {
        this.project = project;
        this.signs = signs;
    }

    /** {@return the project's name as it writes it} */
    public String project() {
        return project;
    }

    /** {@return the name that the command line has for it} */
    public String optionName() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /**
     * The dialect that a configuration is written in.
     *
     * @param origin what messages call the configuration
     * @param values its keys with their values
     * @return the one that more of its keys belong to
     * @throws UserErrorException when no key, or as many of each, tells
     */
    public static Dialect of(String origin, Map<String, ?> values) {
        long llamaFactory = LLAMA_FACTORY.signsIn(values);
        long axolotl = AXOLOTL.signsIn(values);
        if (llamaFactory == axolotl) {
            throw new UserErrorException(origin + ": no key tells whose configuration this is, expected one of "
                    + LLAMA_FACTORY.project + "'s (" + String.join(", ", LLAMA_FACTORY.signs) + ") or "
                    + AXOLOTL.project
                    + "'s (" + String.join(", ", AXOLOTL.signs) + "); --from names it");
        }
        return llamaFactory > axolotl ? LLAMA_FACTORY : AXOLOTL;
    }

    /**
     * The dialect with a name of the command line.
     *
     * @param name such as {@code llama-factory}
     * @return the dialect
     * @throws UserErrorException when there is none of that name
     */
    public static Dialect named(String name) {
        List<String> names = Arrays.stream(values()).map(Dialect::optionName).toList();
        int place = names.indexOf(name.toLowerCase(Locale.ROOT));
        if (place < 0) {
            throw new UserErrorException(
                    "--from: no project is called '" + name + "'" + Suggestions.among(name, names));
        }
        return values()[place];
    }

    private long signsIn(Map<String, ?> values) {
        return signs.stream().filter(values::containsKey).count();
    }

    /** Says in our words what the configuration says in its own. */
    abstract void translate(Conversion conversion);

    /**
     * Says a configuration in our words.
     *
     * @param origin what messages call it
     * @param values its keys with their values
     * @param trainFile what is learned from in the place of the datasets that it names, or null
     * @return our keys with their values, and what a reader should know
     * @throws UserErrorException naming everything that cannot be carried over
     */
    public Converted convert(
            String origin, Map<String, ? extends @Nullable Object> values, @Nullable String trainFile) {
        Map<String, @Nullable Object> given = new LinkedHashMap<>(values);
        if (trainFile != null) {
            Object type =
                    this == AXOLOTL && AxolotlDatasets.isFile(trainFile) ? AxolotlDatasets.typeOfFirst(values) : null;
            given.keySet().removeAll(DATASETS);
            if (type != null) {
                given.put("datasets", List.of(Map.of("path", trainFile, "type", type)));
            }
        }
        Conversion conversion = new Conversion(this, origin, given);
        translate(conversion);
        if (trainFile != null && conversion.ours("datasets") == null) {
            conversion.put("train_file", trainFile);
        }
        return conversion.finish();
    }
}
