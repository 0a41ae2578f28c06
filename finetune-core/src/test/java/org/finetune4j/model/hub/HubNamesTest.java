package org.finetune4j.model.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Names of repositories, settings from the environment, and the choice of files. */
class HubNamesTest {

    @TempDir
    Path home;

    @Test
    void aNameMayHaveARevision() {
        assertEquals(new HubRepository("org/name", "main"), HubRepository.parse("org/name"));
        assertEquals(new HubRepository("org/name-1.5_b", "refs/pr/3"), HubRepository.parse("org/name-1.5_b@refs/pr/3"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "/abs/path", "../up", "a/b/c", "./a", "a/b@", "a/b@../x", "a b/c", "a/--b", "C:\\models\\x"})
    void whatIsNoNameIsRefused(String text) {
        assertThrows(UserErrorException.class, () -> HubRepository.parse(text));
    }

    @Test
    void theEnvironmentDecides() throws IOException {
        HubSettings usual = HubSettings.of(Map.of(), home);
        assertEquals(home.resolve(".cache/huggingface/hub"), usual.cache());
        assertFalse(usual.offline());
        Path own = Files.createDirectories(home.resolve("own"));
        Files.writeString(own.resolve("token"), "from_file\n");
        HubSettings named = HubSettings.of(
                Map.of("HF_HOME", own.toString(), "HF_ENDPOINT", "http://localhost:1/", "HF_HUB_OFFLINE", "1"), home);
        assertEquals(own.resolve("hub"), named.cache());
        assertEquals("http://localhost:1", named.endpoint().toString());
        assertEquals("from_file", named.token());
        assertTrue(named.offline());
        assertFalse(named.toString().contains("from_file"));
        HubSettings both = HubSettings.of(
                Map.of("HF_HOME", own.toString(), "HF_HUB_CACHE", "~/c", "HF_TOKEN", "from_variable"), home);
        assertEquals("from_variable", both.token());
        assertEquals(home.resolve("c"), both.cache());
        assertThrows(UserErrorException.class, () -> HubSettings.of(Map.of("HF_ENDPOINT", "nowhere"), home));
        assertEquals(
                "older",
                HubSettings.of(Map.of("HUGGING_FACE_HUB_TOKEN", "older"), home).token());
    }

    @Test
    void anAddressWithAPasswordIsRefusedWithoutShowingIt() {
        String message = String.valueOf(assertThrows(
                        UserErrorException.class,
                        () -> HubSettings.of(Map.of("HF_ENDPOINT", "https://me:geheim@host"), home))
                .getMessage());
        assertTrue(message.contains("HF_ENDPOINT") && !message.contains("geheim"), message);
    }

    @Test
    void safetensorsAreTakenOnceAndPickledWeightsNever() {
        assertEquals(
                List.of(
                        "config.json",
                        "model.safetensors.index.json",
                        "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors"),
                NeededFiles.of(
                        List.of(
                                "config.json",
                                "consolidated.safetensors",
                                "model-00001-of-00002.safetensors",
                                "model-00002-of-00002.safetensors",
                                "model.safetensors.index.json",
                                "original/model.safetensors",
                                "pytorch_model.bin"),
                        "org/name"));
        assertEquals(
                List.of("model.safetensors"),
                NeededFiles.of(List.of("model.safetensors", "model-00001-of-00001.safetensors", "x.md"), "org/name"));
        assertTrue(String.valueOf(assertThrows(
                                UserErrorException.class,
                                () -> NeededFiles.of(List.of("config.json", "pytorch_model.bin"), "org/name"))
                        .getMessage())
                .contains("pickled"));
    }
}
