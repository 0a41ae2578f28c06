package org.finetune4j.tensor;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Properties;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * The machines that libtorch for Java exists for. A build on any other one succeeds with the natives of Linux x86-64 inside,
 * and so does a class path that was made on another machine: what is there is compared with the machine before it is loaded.
 */
enum NativePlatform {
    LINUX_X86_64("Linux x86-64", "linux", "amd64", "linux-x86_64", "linux-x86_64", "libjnitorch.so"),
    MACOS_ARM64("macOS arm64", "mac", "aarch64", "osx-aarch64", "macosx-arm64", "libjnitorch.dylib"),
    WINDOWS_X86_64("Windows x86-64", "windows", "amd64", "win-x86_64", "windows-x86_64", "jnitorch.dll");

    private static final String ALL = "Linux x86-64, macOS arm64 and Windows x86-64";
    private static final String DJL_PROPERTIES = "native/lib/pytorch.properties";

    private final String title;
    private final String systemPrefix;
    private final String architecture;
    private final String djlClassifier;
    private final String javacppClassifier;
    private final String library;

    NativePlatform(
            String title,
            String systemPrefix,
            String architecture,
            String djlClassifier,
            String javacppClassifier,
            String library) {
        this.title = title;
        this.systemPrefix = systemPrefix;
        this.architecture = architecture;
        this.djlClassifier = djlClassifier;
        this.javacppClassifier = javacppClassifier;
        this.library = library;
    }

    /** Whether this process can call what Linux alone has. */
    static boolean isLinux() {
        return System.getProperty("os.name").startsWith("Linux");
    }

    /** What is on the class path. */
    interface Resources {

        /** Whether there is a file of this name. */
        boolean contains(String name);

        /** The platforms of the libtorch archives of DJL; none where DJL is to fetch one. */
        List<String> djlClassifiers();
    }

    /**
     * Checks that libtorch exists for the machine and is on the class path.
     *
     * @throws UserErrorException when it is not; the message names the machine and says what to do
     */
    static void check(String system, String architecture, Resources resources) {
        String machine = system + " " + architecture;
        NativePlatform platform = of(system, architecture)
                .orElseThrow(() -> new UserErrorException("this is " + machine + ": libtorch " + Torch.VERSION
                        + " for Java exists for " + ALL + " only; run on one of these, in a container or on another"
                        + " machine"));
        List<String> djl = resources.djlClassifiers();
        if (!djl.isEmpty() && !djl.contains(platform.djlClassifier)) {
            throw new UserErrorException("this is " + machine + ", but the class path has libtorch for "
                    + String.join(", ", djl) + ": build on this machine, or put ai.djl.pytorch:pytorch-native-cpu:"
                    + Torch.VERSION + ":" + platform.djlClassifier + " in its place");
        }
        String binding = "org/bytedeco/pytorch/" + platform.javacppClassifier + "/" + platform.library;
        if (!resources.contains(binding)) {
            throw new UserErrorException("this is " + machine + ", but the class path has no natives of"
                    + " org.bytedeco:pytorch for " + platform.title + ": build on this machine, or add the artifacts"
                    + " pytorch, openblas and javacpp of org.bytedeco with the classifier "
                    + platform.javacppClassifier);
        }
    }

    private static Optional<NativePlatform> of(String system, String architecture) {
        String name = system.toLowerCase(Locale.ROOT);
        String processor =
                switch (architecture.toLowerCase(Locale.ROOT)) {
                    case "x86_64", "x86-64", "amd64" -> "amd64";
                    case "arm64", "aarch64" -> "aarch64";
                    default -> architecture;
                };
        for (NativePlatform platform : values()) {
            if (name.startsWith(platform.systemPrefix) && processor.equals(platform.architecture)) {
                return Optional.of(platform);
            }
        }
        return Optional.empty();
    }

    /** The class path of this process. */
    static Resources classPath() {
        ClassLoader loader = NativePlatform.class.getClassLoader();
        return new Resources() {
            @Override
            public boolean contains(String name) {
                return loader.getResource(name) != null;
            }

            @Override
            public List<String> djlClassifiers() {
                try {
                    List<String> classifiers = new ArrayList<>();
                    for (URL url : Collections.list(loader.getResources(DJL_PROPERTIES))) {
                        Properties properties = new Properties();
                        try (InputStream stream = url.openStream()) {
                            properties.load(stream);
                        }
                        classifiers.add(properties.getProperty("classifier", "an unknown platform"));
                    }
                    return classifiers;
                } catch (IOException e) {
                    throw new FinetuneException("cannot read " + DJL_PROPERTIES + ": " + Reasons.of(e), e);
                }
            }
        };
    }
}
