package org.finetune4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.cli.convert.Converted;
import org.finetune4j.cli.convert.Dialect;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Says a configuration of another project in our words. */
@Command(
        name = "convert-config",
        mixinStandardHelpOptions = true,
        description =
                "Makes a configuration of LLaMA-Factory or Axolotl one that train reads; names what it cannot carry over.")
final class ConvertConfigCommand implements Callable<Integer> {

    /** Writes configurations. */
    static final YAMLMapper WRITER = YAMLMapper.builder()
            .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
            .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
            .build();

    @Parameters(index = "0", paramLabel = "CONFIG.yaml", description = "The other project's configuration.")
    private Path file;

    @Option(
            names = "--from",
            paramLabel = "PROJECT",
            description = "llama-factory or axolotl; its keys tell it otherwise.")
    private @Nullable String from;

    @Option(names = "--output", paramLabel = "FILE", description = "Where the result goes; standard output otherwise.")
    private @Nullable Path output;

    @Option(
            names = "--train-file",
            paramLabel = "FILE",
            description = "Records to learn from, in the place of the datasets that the configuration names.")
    private @Nullable String trainFile;

    @Override
    public Integer call() {
        Map<String, Object> values = TrainingConfig.parse(file);
        Dialect dialect = from == null ? Dialect.of(file.toString(), values) : Dialect.named(from);
        Converted converted = dialect.convert(file.toString(), values, trainFile);
        check(converted);
        String text = text(dialect, converted);
        if (output == null) {
            System.out.print(text);
        } else {
            AtomicFiles.writeString(output, text);
            System.out.println(output);
        }
        return 0;
    }

    /** Refuses what train would refuse. A list of datasets that is not here is not looked into. */
    private void check(Converted converted) {
        Map<String, Object> values = new LinkedHashMap<>(converted.values());
        Object described = values.get("dataset_info");
        if (described != null && !Files.isRegularFile(Path.of(described.toString()))) {
            values.remove("dataset_info");
            values.remove("dataset");
            values.put("train_file", described);
            if (values.remove("eval_dataset") != null) {
                values.put("eval_file", described);
            }
        }
        Settings settings = TrainingConfig.with(file.toString(), values, List.of());
        try {
            TrainingSettings.of(settings);
        } catch (UserErrorException e) {
            throw new UserErrorException(e.getMessage() + " (in the converted configuration, as train reads it)", e);
        }
    }

    private String text(Dialect dialect, Converted converted) {
        StringBuilder text =
                new StringBuilder("# From " + file.getFileName() + ", a configuration of " + dialect.project() + ".\n");
        converted.notes().forEach(note -> text.append("# ").append(note).append('\n'));
        try {
            return text.append(WRITER.writeValueAsString(converted.values())).toString();
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }
}
