package org.finetune4j.strategy;

import java.util.List;
import java.util.ServiceLoader;
import java.util.stream.StreamSupport;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** Makes a method from a user's settings. Implementations are named in {@code META-INF/services}. */
public interface StrategyProvider {

    /** {@return the method's name, such as {@code lora}} */
    String method();

    /**
     * Reads the method's settings; what it does not ask for is somebody else's.
     *
     * @param settings all that the user set, the method's own among them
     * @return the method
     */
    FineTuningStrategy create(Settings settings);

    /** {@return all methods on the class path} */
    static List<StrategyProvider> all() {
        return StreamSupport.stream(ServiceLoader.load(StrategyProvider.class).spliterator(), false)
                .toList();
    }

    /**
     * The method of this name.
     *
     * @param method as configurations name it
     * @return the provider
     * @throws UserErrorException when there is none, with the nearest name
     */
    static StrategyProvider named(String method) {
        List<StrategyProvider> all = all();
        return all.stream()
                .filter(provider -> provider.method().equals(method))
                .findFirst()
                .orElseThrow(() -> new UserErrorException("unknown method '" + method + "'"
                        + Suggestions.among(
                                method,
                                all.stream().map(StrategyProvider::method).toList())));
    }
}
