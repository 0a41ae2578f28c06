package org.finetune4j.tensor;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.LibUtils;
import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;
import org.finetune4j.FinetuneException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one libtorch of this process. DJL's engine finds, extracts and loads it; JavaCPP then binds the same library, so
 * that tensors pass between the two without a copy. Loading happens on first use, from whatever thread comes first.
 *
 * <p>System properties: {@code finetune4j.threads} (number of threads inside an operation), {@code
 * finetune4j.malloc=false} (leave glibc's allocator as it is), {@code finetune4j.onednn=false} (leave matrix products to MKL
 * on every processor), {@code finetune4j.shared=false} (let waiting threads spin beside other processes), {@code finetune4j.exit=false} (let libtorch clean up when the process ends).
 */
public final class Torch {

    private static final Logger LOG = LoggerFactory.getLogger(Torch.class);

    /** The version of libtorch that the bindings were made for. */
    static final String VERSION = "2.7.1";

    private static volatile boolean loaded;
    private static boolean loading;
    private static @Nullable FinetuneException failure;

    private Torch() {}

    /**
     * Loads libtorch if that has not happened yet.
     *
     * @throws FinetuneException when the natives for this platform are missing or are of another version; the message
     *     says which and how to get them
     */
    public static void ensureLoaded() {
        if (!loaded) {
            load();
        }
    }

    @SuppressWarnings("StaticAssignmentOfThrowable") // what went wrong the first time is what everybody is told
    private static synchronized void load() {
        if (loaded || loading) {
            return; // loading: by this thread, which holds the lock and tries out what it has loaded
        }
        if (failure != null) {
            throw failure;
        }
        int threads = ThreadCount.ofProperty();
        loading = true;
        try {
            NativePlatform.check(
                    System.getProperty("os.name"), System.getProperty("os.arch"), NativePlatform.classPath());
            configureBindings();
            checkBindingVersion();
            NativeAllocator.tune();
            KernelCache.limit();
            loadOnOwnThread();
            ProcessExit.skipDestructors();
            if (threads > 0) {
                ThreadCount.set(threads);
            }
            MatrixProducts.examine();
            SharedProcessors.watch();
            loaded = true;
        } catch (FinetuneException e) {
            failure = e;
            throw e;
        } catch (RuntimeException | LinkageError e) {
            String platform = System.getProperty("os.name") + " " + System.getProperty("os.arch");
            failure = new FinetuneException(
                    "cannot load libtorch " + VERSION + " on " + platform + ": " + e.getMessage() + "; " + remedy(e),
                    e);
            throw failure;
        } finally {
            loading = false;
        }
    }

    private static String remedy(Throwable failed) {
        for (Throwable cause = failed; cause != null; cause = cause.getCause()) {
            if (String.valueOf(cause.getMessage()).contains("already loaded in another class")) {
                return "a process has it in one class loader: put this library where all its applications share it, or start"
                        + " the process anew";
            }
            if (cause instanceof IOException) {
                return "its natives are unpacked below the home directory: set DJL_CACHE_DIR, and"
                        + " -Dorg.bytedeco.javacpp.cachedir, to directories that can be written";
            }
        }
        return "the class path needs ai.djl.pytorch:pytorch-native-cpu:" + VERSION
                + " and org.bytedeco:pytorch with this platform's classifier";
    }

    /** Both bindings read these when their first class loads. */
    private static void configureBindings() {
        // No telemetry from our users: DJL asks a cloud's metadata server and reports home unless told not to.
        System.setProperty("OPT_OUT_TRACKING", "true");
        // JavaCPP's own bookkeeping of physical memory costs more than the operation it guards.
        System.setProperty("org.bytedeco.javacpp.maxphysicalbytes", "0");
        System.setProperty("org.bytedeco.javacpp.maxbytes", "0");
        // JavaCPP must take the libtorch that DJL has loaded, not unpack a second one: two in a process end it.
        System.setProperty("org.bytedeco.javacpp.pathsFirst", "true");
    }

    /** DJL turns grad mode off on the thread that starts its engine: that must not be a thread of the user's. */
    private static void loadOnOwnThread() {
        CountDownLatch done = new CountDownLatch(1);
        Throwable[] problem = new Throwable[1];
        Thread loader = new Thread(
                () -> {
                    try {
                        startEngineAndBind();
                    } catch (Throwable e) {
                        problem[0] = e;
                    } finally {
                        done.countDown();
                    }
                },
                "finetune4j-libtorch-loader");
        loader.setDaemon(true);
        loader.setContextClassLoader(Torch.class.getClassLoader()); // DJL looks for its engine there
        loader.start();
        boolean interrupted = false;
        while (done.getCount() > 0) {
            try {
                done.await();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (problem[0] instanceof RuntimeException e) {
            throw e;
        }
        if (problem[0] instanceof Error e) {
            throw e;
        }
    }

    private static void startEngineAndBind() {
        CudaSearch.skipWithoutDriver();
        Engine engine = Engine.getEngine("PyTorch");
        if (!VERSION.equals(engine.getVersion())) {
            throw new FinetuneException("libtorch " + engine.getVersion() + " was loaded but " + VERSION
                    + " is needed: remove other ai.djl.pytorch:pytorch-native-* versions from the class path"
                    + " and unset PYTORCH_VERSION and PYTORCH_LIBRARY_PATH");
        }
        String userPath = System.getProperty("java.library.path");
        System.setProperty("java.library.path", LibUtils.getLibtorchPath());
        try {
            Loader.load(torch.class);
        } finally {
            if (userPath != null) {
                System.setProperty("java.library.path", userPath);
            }
        }
        LOG.debug("libtorch {} from {}, {} threads", VERSION, LibUtils.getLibtorchPath(), torch.get_num_threads());
    }

    private static void checkBindingVersion() {
        String binding;
        try {
            binding = Loader.getVersion("org.bytedeco", "pytorch");
        } catch (IOException e) {
            throw new FinetuneException("org.bytedeco:pytorch is not on the class path or carries no version", e);
        }
        if (!binding.startsWith(VERSION + "-")) {
            throw new FinetuneException("org.bytedeco:pytorch " + binding + " is on the class path but libtorch "
                    + VERSION + " needs " + VERSION + "-*: let finetune-bom choose the version");
        }
    }

    /** {@return threads that one operation may use} */
    public static int threads() {
        ensureLoaded();
        return torch.get_num_threads();
    }

    /**
     * Sets how many threads one operation may use, in the whole process.
     *
     * @param threads at least 1
     * @throws IllegalStateException when a training that is under way uses another number, see {@link ThreadCount}
     */
    public static void setThreads(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads must be at least 1, not " + threads);
        }
        ensureLoaded();
        ThreadCount.set(threads);
    }

    /**
     * Starts the random generator in use on this thread anew: initial weights, dropout, noise. See {@link RandomGenerator}.
     *
     * @param seed decides all its numbers from here on
     */
    public static void seed(long seed) {
        ensureLoaded();
        RandomGenerator.current().restart(seed);
    }
}
