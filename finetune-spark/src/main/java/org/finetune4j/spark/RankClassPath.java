package org.finetune4j.spark;

import java.io.File;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.finetune4j.dist.launch.RankProgram;
import org.jspecify.annotations.Nullable;

/** Where the classes of ranks are on an executor, which has the application's jars in a directory of its own. */
final class RankClassPath {

    private RankClassPath() {}

    /**
     * Looks for the jars that came with the application ({@code --packages}, {@code --jars}), without Spark's own: ranks do not need those,
     * and have other versions of some. Else the executor was started with all of them.
     *
     * @return the class path, or empty where the executor does not have the program
     */
    static String find() {
        String program = RankProgram.MAIN.replace('.', '/') + ".class";
        for (ClassLoader loader = Thread.currentThread().getContextClassLoader();
                loader != null;
                loader = loader.getParent()) {
            if (loader instanceof URLClassLoader jars && jars.findResource(program) != null) {
                return Arrays.stream(jars.getURLs())
                        .map(RankClassPath::file)
                        .filter(file -> file != null)
                        .collect(Collectors.joining(File.pathSeparator));
            }
        }
        if (RankClassPath.class.getClassLoader().getResource(program) == null) {
            return "";
        }
        List<String> entries = new ArrayList<>();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            entries.add(Path.of(entry).toAbsolutePath().toString());
        }
        return String.join(File.pathSeparator, entries);
    }

    private static @Nullable String file(URL url) {
        try {
            return url.getProtocol().equals("file") ? Path.of(url.toURI()).toString() : null;
        } catch (URISyntaxException e) {
            return null;
        }
    }
}
