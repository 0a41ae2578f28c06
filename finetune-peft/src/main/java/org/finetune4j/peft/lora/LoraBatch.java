package org.finetune4j.peft.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.nn.RowGroups;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.RowPlaces;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.tensor.Device;

/**
 * Lets every row of a batch use an adapter of its own, a LoRA adapter or any other that changes linear layers: the base computes all rows
 * at once, and each adapter makes of its rows what it makes of them alone. Adapters stay where they are, in an {@link AdapterSet}; of which none can be active meanwhile. For inference.
 *
 * <pre>{@code
 * try (LoraBatch batch = LoraBatch.of(model, adapters)) {
 *     RowAdapters rows = batch.assign("legal", "medical", LoraBatch.BASE);
 *     TextGenerator.of(model).withRows(rows).completeTokens(List.of(contract, symptoms, question), options);
 * }
 * }</pre>
 */
public final class LoraBatch implements AutoCloseable {

    /** In the place of a name: the row uses no adapter. */
    public static final String BASE = "";

    private final List<String> names;
    private final RowPlaces places;
    private volatile boolean closed;

    private LoraBatch(CausalLM model, List<String> names) {
        this.names = names;
        this.places = new RowPlaces(model);
    }

    /**
     * Makes the adapters of a set usable side by side; the active one is deactivated.
     *
     * @param model carries the adapters
     * @param adapters of this model
     * @return the batch, which the caller closes
     * @throws UserErrorException when one of them does more than change linear layers (trained biases or modules, embeddings,
     *     experts, prompts)
     */
    public static LoraBatch of(CausalLM model, AdapterSet adapters) {
        adapters.deactivate();
        LoraBatch batch = new LoraBatch(model, List.copyOf(adapters.names()));
        try {
            for (int number = 0; number < batch.names.size(); number++) {
                String name = batch.names.get(number);
                if (!(adapters.get(name) instanceof PeftAdapter adapter)) {
                    throw new UserErrorException(
                            "adapter '" + name + "' is of no PEFT method: it cannot be used side by side with others");
                }
                batch.places.add(number, name, adapter);
            }
            batch.places.extend();
            return batch;
        } catch (RuntimeException e) {
            batch.close();
            throw e;
        }
    }

    /**
     * Says which adapter each row of a batch uses; the result goes with the batch, to {@code TextGenerator.withRows} or {@code
     * CausalLM.logits}. Batches without one are computed as the base alone. With beams or several answers to a prompt, all
     * rows of one prompt use its adapter.
     *
     * @param rows for each row the name of an adapter, or {@link #BASE}
     * @return what several batches may use, of several threads too
     * @throws UserErrorException when there is no adapter of a name, with the nearest name
     * @throws IllegalStateException when this is closed: the model would answer as the base alone
     */
    public RowAdapters assign(String... rows) {
        requireOpen();
        if (rows.length == 0) {
            throw new IllegalArgumentException("a batch has at least one row");
        }
        int[] numbers = new int[rows.length];
        for (int row = 0; row < rows.length; row++) {
            numbers[row] = names.indexOf(rows[row]);
            if (numbers[row] < 0 && !rows[row].equals(BASE)) {
                throw new UserErrorException(
                        "there is no adapter '" + rows[row] + "'" + Suggestions.didYouMean(rows[row], names));
            }
        }
        return (batchRows, device) -> groups(numbers, batchRows, device);
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("batch of adapters used after close");
        }
    }

    private RowGroups groups(int[] adapterOfRow, int batchRows, Device device) {
        requireOpen();
        if (batchRows % adapterOfRow.length != 0) {
            throw new UserErrorException(
                    "the batch has " + batchRows + " rows, adapters are assigned to " + adapterOfRow.length);
        }
        int repeat = batchRows / adapterOfRow.length;
        Map<Integer, List<Integer>> byAdapter = new LinkedHashMap<>();
        for (int row = 0; row < batchRows; row++) {
            int adapter = adapterOfRow[row / repeat];
            if (adapter >= 0) {
                byAdapter.computeIfAbsent(adapter, key -> new ArrayList<>()).add(row);
            }
        }
        List<RowGroups.Group> groups = new ArrayList<>();
        byAdapter.forEach((adapter, members) -> groups.add(RowGroups.Group.of(
                adapter, members.stream().mapToInt(Integer::intValue).toArray(), device)));
        return new RowGroups(places, groups);
    }

    /** Lets the model compute as the base alone again. The adapters stay in their set. */
    @Override
    public void close() {
        places.close();
        closed = true;
    }
}
