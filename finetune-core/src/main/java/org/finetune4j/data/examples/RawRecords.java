package org.finetune4j.data.examples;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.finetune4j.data.BadRecordPolicy;
import org.finetune4j.data.BadRecords;
import org.finetune4j.data.ReadOptions;
import org.finetune4j.data.RecordFiles;
import org.finetune4j.data.RecordSource;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PlainText;

/** The texts of records whose format does not matter: all their fields, as evaluation data is compared with training data. */
public final class RawRecords implements ExampleDataset {

    private final RecordSource records;

    private RawRecords(RecordSource records) {
        this.records = records;
    }

    /**
     * Opens files whose records may be any objects.
     *
     * @param paths files, directories and patterns
     * @return the records
     * @throws org.finetune4j.UserErrorException when a path stands for no file, or a file cannot be read
     */
    public static RawRecords open(List<String> paths) {
        return new RawRecords(
                RecordFiles.open(paths, ReadOptions.defaults(), record -> {}, new BadRecords(BadRecordPolicy.ERROR)));
    }

    @Override
    public int size() {
        return records.size();
    }

    @Override
    public Example get(int index) {
        List<String> texts = new ArrayList<>();
        collect(records.get(index), texts);
        return new PlainText(String.join("\n", texts));
    }

    @Override
    public String location(int index) {
        return records.location(index);
    }

    @Override
    public String task(int index) {
        return records.fileName(index);
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        return Set.of(PlainText.class);
    }

    private static void collect(JsonNode node, List<String> texts) {
        if (node.isTextual()) {
            texts.add(node.textValue());
        }
        node.forEach(child -> collect(child, texts));
    }
}
