package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.serve.AdapterStore.Lease;
import org.finetune4j.strategy.AttachedStrategy;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class AdapterStoreTest {

    @TempDir
    private Path folder;

    private static long in(long seconds) {
        return System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    }

    private static void write(Path base, Path directory, int rank) {
        try (CausalLM model = CausalLM.load(base);
                AttachedStrategy lora = Lora.builder()
                        .rank(rank)
                        .targetModules("q_proj")
                        .build()
                        .attach(model)) {
            lora.save(directory);
        }
    }

    /** Only requests of the adapter that is too large for now wait. */
    @Test
    void whatFindsNoRoomHoldsUpNobodyElse() throws Exception {
        Path base = ServedFiles.model(folder);
        Path adapters = folder.resolve("adapters");
        write(base, adapters.resolve("used"), 2);
        write(base, adapters.resolve("small"), 2);
        write(base, adapters.resolve("large"), 4);
        try (CausalLM model = CausalLM.load(base)) {
            long small;
            try (AdapterStore store = store(model, adapters, 1L << 30)) {
                small = store.load("used", "used", in(60)).bytes();
            }
            try (AdapterStore store = store(model, adapters, 3 * small)) {
                store.offerAll();
                CompletableFuture<Lease> large;
                try (Lease used = store.acquire("used", in(60))) {
                    large = CompletableFuture.supplyAsync(() -> store.acquire("large", in(60)));
                    ApiException late = assertThrows(ApiException.class, () -> store.acquire("large", in(1)));
                    assertEquals(
                            "all adapters in memory are in use, and there is no room for another", late.getMessage());
                    store.acquire("small", in(60)).close();
                    assertFalse(large.isDone());
                }
                large.get(60, TimeUnit.SECONDS).close();
            }
        }
    }

    private static AdapterStore store(CausalLM model, Path adapters, long bytes) {
        return new AdapterStore(model, "base", new AdapterFolder(adapters), bytes, new ServerMetrics());
    }
}
