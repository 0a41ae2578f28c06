package org.finetune4j.train.report;

import java.lang.reflect.Method;
import org.jspecify.annotations.Nullable;

/**
 * Shows HTML below the cell of a Java notebook that runs. The kernels' own functions for it have other names and other orders of
 * arguments; a notebook that uses this one runs in rapaio-jupyter-kernel, JJava and IJava.
 */
public final class NotebookOutput {

    private static final String HTML = "text/html";

    private NotebookOutput() {}

    /**
     * Shows HTML, or an SVG picture.
     *
     * @param html what to show
     * @return whether a kernel was there to show it
     */
    public static boolean show(String html) {
        return shown("org.rapaio.jupyter.kernel.global.Global", HTML, html, Object.class)
                || shown("org.dflib.jjava.jupyter.kernel.NotebookStatics", html, new String[] {HTML}, String[].class)
                || shown("io.github.spencerpark.ijava.runtime.Display", html, new String[] {HTML}, String[].class);
    }

    private static boolean shown(String kernel, String first, Object second, Class<?> secondType) {
        Class<?> display = find(kernel);
        if (display == null) {
            return false;
        }
        try {
            Class<?> firstType = secondType == Object.class ? String.class : Object.class;
            Method method = display.getMethod("display", firstType, secondType);
            method.invoke(null, first, second);
            return true;
        } catch (ReflectiveOperationException e) {
            return false; // another version of the kernel
        }
    }

    private static @Nullable Class<?> find(String name) {
        ClassLoader[] loaders = {Thread.currentThread().getContextClassLoader(), NotebookOutput.class.getClassLoader()};
        for (ClassLoader loader : loaders) {
            try {
                return Class.forName(name, true, loader);
            } catch (ClassNotFoundException e) {
                // the cells may have been compiled below another loader
            }
        }
        return null;
    }
}
