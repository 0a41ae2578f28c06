package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.finetune4j.Settings;
import org.finetune4j.strategy.FineTuningMethod;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The table of methods. */
@Tag("slow")
class BenchMethodsTest {

    @TempDir
    Path directory;

    @Test
    void everyMethodHasARowThatCanBeSetUp() {
        List<BenchRow> rows = BenchRow.all();
        Set<String> methods = rows.stream()
                .map(row -> (String) row.settings().get("method"))
                .collect(Collectors.toCollection(TreeSet::new));
        Set<String> known = FineTuningMethod.all().stream()
                .map(FineTuningMethod::name)
                .filter(name -> !name.equals("xlora")) // it mixes adapters that somebody has trained before
                .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(known, methods);
        for (BenchRow row : rows) {
            Settings settings = new Settings(row.name(), row.settings());
            settings.text("method");
            settings.number("learning_rate", 0);
            FineTuningMethod.named((String) row.settings().get("method")).create(settings);
            settings.refuseUnknown();
        }
    }

    @Test
    void aRowIsMeasuredAndTheTableHasTheBestMethodFirst() {
        TrainingFiles files = new TrainingFiles(directory);
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("model_name_or_path", files.model.toString());
        keys.put("train_file", files.data.toString());
        keys.put("eval_file", files.data.toString());
        keys.put("prompt_template", "Q: {instruction}\nA:\n");
        keys.put("max_steps", 6);
        keys.put("eval_metrics", List.of("loss", "exact_match"));
        keys.put("eval_max_new_tokens", 4);
        MethodMeasurement measurement = new MethodMeasurement(keys, 0.5);
        BenchRow lora = BenchRow.named("lora");
        BenchRow ia3 = BenchRow.named("ia3");
        ObjectNode base = measurement.run(null, directory.resolve("run"));
        ObjectNode trained = measurement.run(lora, directory.resolve("run"));
        assertEquals(1_771_200, trained.path("model_numbers").asLong());
        assertEquals(108_544, trained.path("trainable").asLong());
        assertTrue(trained.path("peak_mb").asLong() > 0);

        MethodTable table = new MethodTable(base);
        table.add(ia3, base.deepCopy().put("kind", "addition").put("trainable", 1));
        table.add(lora, trained);
        table.refuse(BenchRow.named("bitfit"), "no bias");
        assertEquals(List.of("ia3"), table.notBetter());
        List<String> lines = table.markdown("Both").lines().toList();
        assertTrue(lines.get(4).startsWith("| untrained base |"), lines::toString);
        assertTrue(
                lines.get(5).startsWith("| lora | reparameterisation | r (in + out) | 108,544 | 6.13 % |"),
                lines::toString);
        assertTrue(lines.get(6).startsWith("| ia3 |"), lines::toString);
        assertTrue(lines.contains("Not possible here: bitfit: no bias"), lines::toString);
    }
}
