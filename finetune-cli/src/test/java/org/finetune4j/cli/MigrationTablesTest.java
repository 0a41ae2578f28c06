package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.train.stage.StageProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The tables of parameter names are complete, and what they say is here is here. */
class MigrationTablesTest {

    private static final String PAGE = "docs/migration-tables.md";
    private static final Pattern ROW = Pattern.compile("^\\| `([^`]+)` \\|(?:[^|]*\\|)? ([^|]+) \\|$");
    private static final Pattern NAME = Pattern.compile("^`([a-z0-9_]+)`");

    /** Keys by section, each with what its row says is here. */
    private static final Map<String, Map<String, String>> SECTIONS = sections();

    private static Map<String, Map<String, String>> sections() {
        Map<String, Map<String, String>> sections = new LinkedHashMap<>();
        Map<String, String> rows = new LinkedHashMap<>();
        for (String line : Documentation.text(PAGE).lines().toList()) {
            if (line.startsWith("## ")) {
                rows = new LinkedHashMap<>();
                sections.put(line.substring(3), rows);
            }
            Matcher row = ROW.matcher(line);
            if (row.matches()) {
                rows.put(row.group(1), row.group(2));
            }
        }
        return sections;
    }

    private static Map<String, Object> reference(String configuration) {
        try (InputStream in = MigrationTablesTest.class.getResourceAsStream("reference-keys.json")) {
            return Json.toMap(TestJson.read(in).path(configuration));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Every key that any training reads. */
    private static Set<String> known() {
        Set<String> known = new LinkedHashSet<>(FamiliarKeys.names());
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("model_name_or_path", "model");
        values.put("output_dir", "out");
        values.put("train_file", "data.jsonl");
        values.put("f_divergence_type", "alpha_divergence");
        values.put("loss_type", "discopop");
        for (String stage : List.of("sft", "dpo")) {
            values.put("stage", stage);
            Settings settings = TrainingConfig.with("a.yaml", values, List.of());
            TrainingSettings.read(settings);
            known.addAll(settings.known());
        }
        Stream.concat(
                        FineTuningMethod.all().stream().map(method -> read(method::create)),
                        StageProvider.all().stream().map(stage -> read(stage::create)))
                .forEach(known::addAll);
        return known;
    }

    private interface Reader {
        Object read(Settings settings);
    }

    private static Set<String> read(Reader reader) {
        Settings nothing = new Settings("nothing", Map.of());
        try {
            reader.read(nothing);
        } catch (UserErrorException e) {
            // A key that has to be there is missing; it was asked for.
        }
        return nothing.known();
    }

    @ParameterizedTest
    @CsvSource({
        "PEFT 0.21: LoraConfig, peft.LoraConfig",
        "PEFT 0.21: XLoraConfig, peft.XLoraConfig",
        "transformers 5.18: TrainingArguments, TrainingArguments",
        "TRL 1.13: DPOConfig, DPOConfig",
        "TRL 1.13: KTOConfig, KTOConfig",
        "TRL 1.13: RewardConfig, RewardConfig",
        "TRL 1.13: GRPOConfig, GRPOConfig",
        "TRL 1.13: RLOOConfig, RLOOConfig"
    })
    void aTableHasEveryFieldOfItsClassAndNoOther(String section, String configuration) {
        assertEquals(
                new TreeSet<>(reference(configuration).keySet()),
                new TreeSet<>(SECTIONS.get(section).keySet()));
    }

    @Test
    void theTableOfSupervisedTrainingHasWhatTransformersHasNot() {
        Set<String> own = new TreeSet<>(reference("SFTConfig").keySet());
        own.removeAll(reference("TrainingArguments").keySet());
        assertEquals(own, new TreeSet<>(SECTIONS.get("TRL 1.13: SFTConfig").keySet()));
    }

    @Test
    void aNameThatATableGivesIsAKeyOfAConfiguration() {
        Set<String> known = known();
        List<String> wrong = new ArrayList<>();
        SECTIONS.forEach((section, rows) -> rows.forEach((there, here) -> {
            Matcher name = NAME.matcher(here);
            if (name.find() && !known.contains(name.group(1))) {
                wrong.add(section + ": " + there + " -> " + name.group(1));
            }
            if (!name.find(0) && !here.startsWith("no key") && !here.startsWith("refused")) {
                wrong.add(section + ": " + there + ": " + here);
            }
        }));
        assertEquals(List.of(), wrong);
    }

    @ParameterizedTest
    @ValueSource(strings = {"LLaMA-Factory", "Axolotl"})
    void theTableOfAnotherProjectHasEveryKeyOfTheCommandsTable(String project) throws IOException {
        String file = project.equals("Axolotl") ? "convert/axolotl.yaml" : "convert/llama-factory.yaml";
        try (InputStream in = MigrationTablesTest.class.getResourceAsStream(file)) {
            Map<?, ?> table = TrainingConfig.YAML.readValue(in, LinkedHashMap.class);
            assertEquals(
                    table.keySet(),
                    SECTIONS.get(project + ": what needs no thought").keySet());
        }
    }
}
