package org.finetune4j.model.chat;

import com.hubspot.jinjava.el.TypeConvertingMapELResolver;
import com.hubspot.jinjava.el.ext.JinjavaBeanELResolver;
import com.hubspot.jinjava.el.ext.JinjavaListELResolver;
import com.hubspot.jinjava.lib.Importable;
import com.hubspot.jinjava.util.ForLoop;
import java.util.Arrays;
import jinjava.javax.el.ArrayELResolver;
import jinjava.javax.el.CompositeELResolver;
import jinjava.javax.el.ELContext;
import org.jspecify.annotations.Nullable;

/**
 * What a template can reach: elements of lists and maps, the state of a loop, and the methods that Python's texts and maps
 * have. There is no way from here to a Java object's own methods.
 */
final class TemplateValues extends CompositeELResolver {

    TemplateValues() {
        add(new Methods());
        add(new ArrayELResolver(true));
        add(new JinjavaListELResolver(true));
        add(new TypeConvertingMapELResolver(false));
        add(new Internals());
    }

    /** Python's methods in the place of Java's. A text has no members. */
    private static final class Methods extends ArrayELResolver {

        @Override
        public @Nullable Object getValue(ELContext context, @Nullable Object base, @Nullable Object property) {
            if (base instanceof CharSequence && !(property instanceof Number)) {
                context.setPropertyResolved(true);
            }
            return null;
        }

        @Override
        public @Nullable Object invoke(
                ELContext context,
                @Nullable Object base,
                Object method,
                Class<?> @Nullable [] types,
                Object[] arguments) {
            if (base == null || base instanceof ForLoop || base instanceof Importable) {
                return null;
            }
            context.setPropertyResolved(true);
            return PythonMethods.call(base, String.valueOf(method), Arrays.asList(arguments));
        }
    }

    /** {@code loop.first}, {@code loop.index0} and the like, and the renderer's own filters and tests. */
    private static final class Internals extends JinjavaBeanELResolver {

        Internals() {
            super(true);
        }

        @Override
        public @Nullable Object getValue(ELContext context, @Nullable Object base, @Nullable Object property) {
            return base instanceof ForLoop ? super.getValue(context, base, property) : null;
        }

        @Override
        public @Nullable Object invoke(
                ELContext context,
                @Nullable Object base,
                Object method,
                Class<?> @Nullable [] types,
                Object[] arguments) {
            return base instanceof Importable ? super.invoke(context, base, method, types, arguments) : null;
        }
    }
}
