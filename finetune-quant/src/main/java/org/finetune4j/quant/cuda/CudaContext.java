package org.finetune4j.quant.cuda;

import java.util.function.Consumer;
import java.util.function.Function;

/** The context that libtorch uses on one GPU. Every call makes it the calling thread's, and leaves the thread as it was. */
final class CudaContext {

    private final CudaDriver driver;
    private final int index;
    private final long handle;

    CudaContext(CudaDriver driver, int index) {
        this.driver = driver;
        this.index = index;
        this.handle = driver.primaryContext(index);
    }

    /** The number of the GPU. */
    int index() {
        return index;
    }

    int computeCapability() {
        return driver.computeCapability(index);
    }

    <T> T call(Function<CudaDriver, T> action) {
        driver.pushContext(handle);
        try {
            return action.apply(driver);
        } finally {
            driver.popContext();
        }
    }

    void run(Consumer<CudaDriver> action) {
        driver.pushContext(handle);
        try {
            action.accept(driver);
        } finally {
            driver.popContext();
        }
    }
}
