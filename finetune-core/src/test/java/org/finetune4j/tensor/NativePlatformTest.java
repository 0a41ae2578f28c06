package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A machine that the natives on the class path were not made for is told so in one line, before anything is loaded. */
class NativePlatformTest {

    /** A class path with the natives of these platforms. */
    private static NativePlatform.Resources having(String javacpp, String... djl) {
        return new NativePlatform.Resources() {
            @Override
            public boolean contains(String name) {
                return name.startsWith("org/bytedeco/pytorch/" + javacpp + "/");
            }

            @Override
            public List<String> djlClassifiers() {
                return List.of(djl);
            }
        };
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource({
        "Mac OS X, x86_64",
        "Linux, aarch64",
        "Linux, i386",
        "Linux, riscv64",
        "Linux, ppc64le",
        "Windows 11, aarch64",
        "FreeBSD, amd64",
        "AIX, ppc64"
    })
    void aMachineWithoutLibtorchIsNamedWithThoseThatHaveIt(String system, String architecture) {
        String message = refused(system, architecture, having("linux-x86_64", "linux-x86_64"));
        assertTrue(message.contains(system + " " + architecture), message);
        assertTrue(message.contains("Linux x86-64, macOS arm64 and Windows x86-64"), message);
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource({
        "Mac OS X, aarch64, osx-aarch64, macosx-arm64",
        "Windows 11, amd64, win-x86_64, windows-x86_64",
        "Windows Server 2022, amd64, win-x86_64, windows-x86_64"
    })
    void nativesOfAnotherMachineAreNamedWithTheRemedy(String system, String architecture, String djl, String javacpp) {
        String first = refused(system, architecture, having("linux-x86_64", "linux-x86_64"));
        assertTrue(first.contains("linux-x86_64") && first.contains(":" + djl), first);
        String second = refused(system, architecture, having("linux-x86_64", djl));
        assertTrue(second.contains(system) && second.contains(javacpp), second);
        assertDoesNotThrow(() -> NativePlatform.check(system, architecture, having(javacpp, djl)));
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource({"Linux, amd64, linux-x86_64", "Linux, x86_64, linux-x86_64", "Mac OS X, arm64, macosx-arm64"})
    void libtorchItselfMayBeLeftForDjlToFetch(String system, String architecture, String javacpp) {
        assertDoesNotThrow(() -> NativePlatform.check(system, architecture, having(javacpp)));
    }

    @Test
    void theClassPathOfTheTestsFitsTheMachineTheyRunOn() {
        assertDoesNotThrow(() -> NativePlatform.check(
                System.getProperty("os.name"), System.getProperty("os.arch"), NativePlatform.classPath()));
        assertThrows(
                UserErrorException.class, () -> NativePlatform.check("Linux", "aarch64", NativePlatform.classPath()));
    }

    private static String refused(String system, String architecture, NativePlatform.Resources resources) {
        String message = assertThrows(
                        UserErrorException.class, () -> NativePlatform.check(system, architecture, resources))
                .getMessage();
        assertFalse(message.contains("\n"), message);
        return message;
    }
}
