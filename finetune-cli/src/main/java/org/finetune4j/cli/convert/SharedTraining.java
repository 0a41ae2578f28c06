package org.finetune4j.cli.convert;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How several devices share a training: files of DeepSpeed that the other project brings, and PyTorch's FSDP. */
final class SharedTraining {

    /** Names such as {@code ds_z3_offload_config.json} and {@code zero2.json} tell what is in the file. */
    private static final Pattern STAGE = Pattern.compile("(?:^|[_/])z(?:ero)?([0-3])(?:[_.]|$)");

    private final Conversion conversion;

    SharedTraining(Conversion conversion) {
        this.conversion = conversion;
    }

    void translate() {
        deepspeed();
        fsdp();
    }

    private void deepspeed() {
        String file = conversion.given().value("deepspeed").orElse(null) instanceof String text ? text : "";
        Matcher stage = STAGE.matcher(file);
        if (file.isEmpty() || isHere(file) || !stage.find()) {
            return;
        }
        conversion.take("deepspeed");
        conversion.put("zero_stage", Integer.parseInt(stage.group(1)));
        if (file.contains("offload")) {
            conversion.put("offload_optimizer", "cpu");
            if (stage.group(1).equals("3")) {
                conversion.put("offload_param", "cpu");
            }
        }
        conversion.note("deepspeed: " + file + " is not here, so its name told what it says; ./finetune launch starts"
                + " several processes");
    }

    private static boolean isHere(String file) {
        return file.indexOf('\0') < 0 && Files.isRegularFile(Path.of(file));
    }

    /** FSDP shares weights, gradients and states as stage 3 does; its settings say how, not what. */
    private void fsdp() {
        boolean version2 = conversion.has("fsdp_config");
        List<String> options = conversion.given().value("fsdp").orElse(null) instanceof List<?> list
                ? list.stream().map(String::valueOf).toList()
                : List.of(conversion
                        .given()
                        .value("fsdp")
                        .map(String::valueOf)
                        .orElse("")
                        .split("[ ,]+"));
        conversion.take("fsdp");
        conversion.take("fsdp_config");
        conversion.take("fsdp_final_state_dict_type");
        boolean asked = version2 || options.stream().anyMatch(option -> option.endsWith("shard"));
        if (asked) {
            conversion.put("zero_stage", options.contains("shard_grad_op") ? 2 : 3);
            if (options.contains("offload")) {
                conversion.put("offload_param", "cpu");
            }
            conversion.note("fsdp: shared as zero_stage says; ./finetune launch starts several processes");
        }
    }
}
