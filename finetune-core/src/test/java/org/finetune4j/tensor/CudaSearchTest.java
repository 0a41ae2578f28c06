package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

class CudaSearchTest {

    @Test
    void withoutADriverNoLibraryOfCudaIsLookedFor() {
        assumeFalse(Files.exists(Path.of("/dev/nvidiactl")));
        Torch.ensureLoaded();
        List<String> wanted = Loader.loadProperties(torch.class, Loader.loadProperties(), true)
                .get("platform.preload");
        assertEquals(
                List.of(),
                wanted.stream()
                        .filter(name -> name.startsWith("cu") || name.startsWith("nv"))
                        .toList());
    }
}
