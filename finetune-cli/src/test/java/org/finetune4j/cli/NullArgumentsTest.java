package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.reflect.ClassPath;
import java.io.IOException;
import java.lang.reflect.AnnotatedType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.data.examples.InstructionDataset;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A null in the place of an argument is told by the argument's name, where it is given and not where it is used. */
class NullArgumentsTest {

    @TempDir
    Path directory;

    private static void assertNamed(String argument, Executable call) {
        assertEquals(argument, assertThrows(NullPointerException.class, call).getMessage());
    }

    @Test
    void everyEntryNamesTheArgument() {
        TrainingFiles files = new TrainingFiles(directory);
        assertNamed("model", () -> FineTuner.of(null));
        assertNamed("directory", () -> CausalLM.load((Path) null));
        assertNamed("nameOrPath", () -> CausalLM.load((String) null));
        assertNamed("options", () -> CausalLM.load(files.model, (LoadOptions) null));
        assertNamed("schedule", () -> TrainingArguments.builder().schedule((LearningRateSchedule) null));
        assertNamed("bias", () -> Lora.builder().bias(null));
        try (CausalLM model = CausalLM.load(files.model)) {
            FineTuner tuner = FineTuner.of(model);
            assertNamed("strategy", () -> tuner.strategy((FineTuningStrategy) null));
            assertNamed("dataset", () -> tuner.dataset((InstructionDataset) null));
            assertNamed("arguments", () -> tuner.arguments(null));
            assertNamed("listener", () -> tuner.listener(null));
            TextGenerator generator = TextGenerator.of(model);
            assertNamed("prompt", () -> generator.generate((String) null, GenerationOptions.greedy(1)));
            assertNamed("question", () -> generator.ask(null));
        }
    }

    /** The builders of all modules, by the methods called {@code builder} that need nothing. */
    static List<Method> builders() throws IOException {
        List<Method> found = new ArrayList<>();
        for (ClassPath.ClassInfo info :
                ClassPath.from(CausalLM.class.getClassLoader()).getTopLevelClassesRecursive("org.finetune4j")) {
            if (info.url().toString().matches(".*(-tests\\.jar|/test-classes/).*")) {
                continue; // contract tests that modules lend each other, without what they need
            }
            Class<?> type = info.load();
            for (Method method : type.getDeclaredMethods()) {
                boolean makes = method.getName().equals("builder") && method.getParameterCount() == 0;
                if (makes && Modifier.isPublic(type.getModifiers()) && Modifier.isPublic(method.getModifiers())) {
                    found.add(method);
                }
            }
        }
        return found;
    }

    @ParameterizedTest
    @MethodSource("builders")
    void everySettingOfABuilderRefusesNullOrSaysThatItMayBe(Method make) throws ReflectiveOperationException {
        Class<?> type = make.getReturnType();
        for (Method setting : type.getMethods()) {
            if (setting.getReturnType() != type || setting.getParameterCount() != 1) {
                continue;
            }
            AnnotatedType parameter = setting.getAnnotatedParameterTypes()[0];
            if (setting.getParameterTypes()[0].isPrimitive() || parameter.isAnnotationPresent(Nullable.class)) {
                continue;
            }
            Object builder = make.invoke(null);
            Throwable refusal = assertThrows(
                            InvocationTargetException.class,
                            () -> setting.invoke(builder, new Object[] {null}),
                            setting.toString())
                    .getCause();
            assertTrue(
                    refusal instanceof NullPointerException
                            && refusal.getMessage() != null
                            && !refusal.getMessage().contains("\"<"),
                    setting + ": " + refusal);
        }
    }
}
