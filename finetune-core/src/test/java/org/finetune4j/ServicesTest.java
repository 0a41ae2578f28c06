package org.finetune4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.finetune4j.model.Architecture;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.junit.jupiter.api.Test;

/** What came with the library is found on every thread. */
class ServicesTest {

    @Test
    void aThreadWhoseLoaderDoesNotSeeTheLibraryFindsWhatEveryOtherFinds() {
        Set<String> here = names(Services.of(Architecture.class));
        assertTrue(here.size() > 10, here::toString);
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        for (ClassLoader loader : new ClassLoader[] {ClassLoader.getPlatformClassLoader(), null}) {
            thread.setContextClassLoader(loader);
            try {
                assertEquals(here, names(Services.of(Architecture.class)));
                assertEquals("adamw", OptimizerProvider.named("AdamW").names().get(0));
            } finally {
                thread.setContextClassLoader(before);
            }
        }
    }

    @Test
    void eachImplementationIsThereOnce() {
        List<Architecture> all = Services.of(Architecture.class);
        assertEquals(all.size(), names(all).size());
    }

    private static Set<String> names(List<?> all) {
        return all.stream().map(one -> one.getClass().getName()).collect(Collectors.toSet());
    }
}
