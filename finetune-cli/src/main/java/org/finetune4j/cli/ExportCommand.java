package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.gguf.GgufExport;
import org.finetune4j.model.gguf.GgufType;
import org.finetune4j.strategy.Adapter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Writes a model in another program's format. */
@Command(
        name = "export",
        mixinStandardHelpOptions = true,
        description = "Writes a model, with its adapter folded in, as one GGUF file for llama.cpp.")
final class ExportCommand implements Callable<Integer> {

    @Mixin
    private ModelOptions model;

    @Option(names = "--format", defaultValue = "gguf", paramLabel = "NAME", description = "gguf")
    private String format;

    @Option(
            names = "--type",
            defaultValue = "f16",
            paramLabel = "NAME",
            description = "Type of the matrices: f32, f16, bf16 or q8_0 (default: ${DEFAULT-VALUE}).")
    private String type;

    @Option(names = "--output", required = true, paramLabel = "FILE", description = "Where to write the file.")
    private Path output;

    @Override
    public Integer call() {
        if (!format.equals("gguf")) {
            throw new UserErrorException("--format: no format is called '" + format + "', expected gguf");
        }
        GgufType chosen = GgufType.parse(type);
        GgufExport.requireNoOtherFile(output);
        if (model.hasAdapter()) {
            writeMerged(chosen);
        } else {
            GgufExport.write(model.directory(), chosen, output);
        }
        System.out.println(output);
        return 0;
    }

    private void writeMerged(GgufType chosen) {
        Path merged = AtomicFiles.temporaryDirectory("finetune4j-export");
        try {
            // Named as the model, whose name goes into the file.
            Path directory = merged.resolve(String.valueOf(
                    model.directory().toAbsolutePath().normalize().getFileName()));
            try (CausalLM loaded = model.load();
                    Adapter adapter = model.attachAdapter(loaded, false)) {
                if (adapter != null) {
                    adapter.merge();
                }
                loaded.save(directory);
            }
            GgufExport.write(directory, chosen, output);
        } finally {
            AtomicFiles.deleteTemporary(merged);
        }
    }
}
