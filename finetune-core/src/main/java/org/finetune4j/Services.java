package org.finetune4j;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.ServiceLoader;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What jars register for {@link ServiceLoader}. A thread of a common pool, of a server or of a fat jar may have a context class loader that
 * does not see this library: what came with the service's own jar is found on every thread, what the context's loader has besides, too.
 */
public final class Services {

    private Services() {}

    /**
     * One new instance of every implementation.
     *
     * @param service the service
     * @param <T> the service
     * @return those of the service's class loader, then further ones of the thread's context class loader
     */
    public static <T> List<T> of(Class<T> service) {
        List<T> found = new ArrayList<>();
        Set<Class<?>> known = new HashSet<>();
        ClassLoader own = service.getClassLoader();
        ClassLoader context = Thread.currentThread().getContextClassLoader();
        add(ServiceLoader.load(service, own), known, found);
        if (context != own && sees(context, service)) {
            add(ServiceLoader.load(service, context), known, found);
        }
        return found;
    }

    private static <T> void add(ServiceLoader<T> loader, Set<Class<?>> known, List<T> found) {
        loader.stream().filter(provider -> known.add(provider.type())).forEach(provider -> found.add(provider.get()));
    }

    /** Whether a loader's implementations are of this class, not of another copy of the library. */
    private static boolean sees(@Nullable ClassLoader loader, Class<?> service) {
        try {
            return loader != null && Class.forName(service.getName(), false, loader) == service;
        } catch (ClassNotFoundException | LinkageError e) {
            return false;
        }
    }
}
