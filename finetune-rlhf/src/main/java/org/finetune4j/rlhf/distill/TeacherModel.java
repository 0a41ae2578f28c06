package org.finetune4j.rlhf.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelFiles;
import org.finetune4j.model.hub.HubClient;
import org.finetune4j.strategy.AdapterFormat;
import org.jspecify.annotations.Nullable;

/**
 * A model that teaches: one that is open already, or one that is read from its files when it is first asked. Weights are mapped, so
 * that a teacher of the student's own files takes no second copy of them.
 */
final class TeacherModel implements AutoCloseable {

    private final @Nullable CausalLM given;
    private final @Nullable String nameOrPath;
    private final @Nullable String adapter;
    private @Nullable CausalLM opened;

    private TeacherModel(@Nullable CausalLM given, @Nullable String nameOrPath, @Nullable String adapter) {
        this.given = given;
        this.nameOrPath = nameOrPath;
        this.adapter = adapter;
    }

    /** A model that stays the caller's. */
    static TeacherModel of(CausalLM model) {
        return new TeacherModel(Objects.requireNonNull(model, "teacher"), null, null);
    }

    /**
     * A model of files.
     *
     * @param nameOrPath a directory of a model or of an adapter, or a name on the hub; null for the student as it was
     * @param adapter a directory of an adapter that is put on it, or null
     */
    static TeacherModel of(@Nullable String nameOrPath, @Nullable String adapter) {
        return new TeacherModel(null, nameOrPath, adapter);
    }

    /**
     * Looks for the files before anything that takes longer.
     *
     * @param origin of the settings, for messages
     * @throws UserErrorException when there are none
     */
    void requireFiles(String origin) {
        if (nameOrPath != null && looksLocal(nameOrPath)) {
            requireDirectory(origin + ": 'teacher_model_name_or_path'", nameOrPath);
        }
        if (adapter != null) {
            requireDirectory(origin + ": 'teacher_adapter_name_or_path'", adapter);
        }
    }

    /** Whether a name cannot be one on the hub, which are {@code owner/name}. */
    private static boolean looksLocal(String name) {
        return !name.matches("[\\w.-]+/[\\w.-]+(@[\\w./-]+)?");
    }

    private static Path requireDirectory(String key, String name) {
        Path directory = InputFiles.path(key, name);
        if (!Files.isDirectory(directory)) {
            throw new UserErrorException(key + ": there is no directory " + name);
        }
        return directory;
    }

    /**
     * The teacher, ready to be asked.
     *
     * @param student that learns from it
     * @throws UserErrorException when it cannot be read, or does not say the same words
     */
    CausalLM open(CausalLM student) {
        if (given != null) {
            requireSameWords(given, student);
            return given;
        }
        CausalLM known = opened;
        if (known == null) {
            known = load(student);
            opened = known;
        }
        return known;
    }

    /** What its weights take: none of one in memory, which the caller has there anyway. */
    long bytes(CausalLM student) {
        if (given != null) {
            return 0;
        }
        Path directory = directory(student);
        return ModelFiles.weightBytes(isModel(directory) ? directory : base(directory, student));
    }

    private CausalLM load(CausalLM student) {
        Path directory = directory(student);
        Path onTop = adapter == null ? null : InputFiles.path("teacher_adapter_name_or_path", adapter);
        if (onTop == null && Files.isRegularFile(directory.resolve(AdapterDirectory.CONFIG)) && !isModel(directory)) {
            onTop = directory;
            directory = base(directory, student);
        }
        CausalLM model = CausalLM.load(directory, new LoadOptions(student.device(), null));
        try {
            requireSameWords(model, student);
            if (onTop != null) {
                AdapterFormat.load(model, onTop, false);
            }
            return model;
        } catch (RuntimeException | Error e) {
            model.close();
            throw e;
        }
    }

    private static boolean isModel(Path directory) {
        return Files.isRegularFile(directory.resolve("config.json"));
    }

    private Path directory(CausalLM student) {
        if (nameOrPath != null) {
            Path local = InputFiles.path("teacher_model_name_or_path", nameOrPath);
            return Files.exists(local) ? local : HubClient.fromEnvironment().resolve(nameOrPath);
        }
        Path own = student.directory();
        if (own == null) {
            throw new UserErrorException("there is no teacher, and the student has no files to read it from once more:"
                    + " set teacher_model_name_or_path");
        }
        return own;
    }

    private static Path base(Path adapter, CausalLM student) {
        String named = AdapterDirectory.baseOf(adapter).orElse("");
        Path base = InputFiles.path("base_model_name_or_path", named);
        if (!named.isEmpty() && Files.isDirectory(base)) {
            return base;
        }
        Path own = student.directory();
        if (own == null) {
            throw new UserErrorException("the teacher is an adapter, " + adapter + ", and its base '" + named
                    + "' is no directory here: set teacher_model_name_or_path to the base and"
                    + " teacher_adapter_name_or_path to the adapter");
        }
        return own;
    }

    /** Scores are compared word by word. */
    private static void requireSameWords(CausalLM teacher, CausalLM student) {
        if (teacher.network().pooling() != null) {
            throw new UserErrorException("the teacher classifies sequences: it has no next token to teach");
        }
        if (teacher.hasTokenizer() && student.hasTokenizer()) {
            teacher.tokenizer().differenceFrom(student.tokenizer()).ifPresent(difference -> {
                throw new UserErrorException("the teacher has another tokenizer: " + difference
                        + "; distillation compares both word by word, so choose a teacher of the student's family, or"
                        + " learn from the text of one behind teacher_model_server_url");
            });
            return;
        }
        long own = student.network().outputLayer().outFeatures();
        long others = teacher.network().outputLayer().outFeatures();
        if (own != others) {
            throw new UserErrorException("the teacher scores " + others + " words and the student " + own
                    + ", and without both tokenizers nobody knows which are the same");
        }
    }

    @Override
    public void close() {
        if (opened != null) {
            opened.close();
            opened = null;
        }
    }

    /** What must be the same for a resumed run. */
    @Override
    public String toString() {
        if (given != null) {
            return given.nameOrPath();
        }
        return (nameOrPath == null ? "the student as it was" : nameOrPath)
                + (adapter == null ? "" : " with " + adapter);
    }
}
