package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.Settings;

/** A method on linear layers as configurations and adapter directories name it: a name, a type, and what reads the settings. */
public abstract class LinearMethod extends PeftMethod {

    private final Reader reader;

    /** Reads a method's own settings. */
    @FunctionalInterface
    public interface Reader {
        /**
         * {@return the method with its settings}
         *
         * @param settings under PEFT's keys
         * @param modules which layers are adapted, and which modules train as a whole
         */
        LinearStrategy read(Settings settings, ModuleSelection modules);
    }

    /**
     * A method whose settings all stand under PEFT's keys.
     *
     * @param name the name in configurations, such as {@code oft}
     * @param peftType PEFT's name, such as {@code OFT}
     * @param reader reads the method's own settings
     */
    protected LinearMethod(String name, String peftType, Reader reader) {
        super(name, peftType);
        this.reader = reader;
    }

    @Override
    protected final PeftStrategy read(Settings settings, boolean fromFile) {
        LinearStrategy strategy = reader.read(settings, ModuleSelection.from(settings, fromFile));
        List<String> implemented = new ArrayList<>(strategy.toJson().keySet());
        implemented.addAll(ModuleSelection.keys());
        PeftKeys.refuseOthers(settings, peftType(), implemented);
        return strategy;
    }
}
