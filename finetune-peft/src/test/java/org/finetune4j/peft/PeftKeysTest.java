package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;

class PeftKeysTest {

    private static Settings stored(String key, Object value) {
        return new Settings("adapter_config.json", Map.of(key, value));
    }

    /** JSON knows whole numbers of one kind, Java of several. */
    @Test
    void aStoredSettingIsTheSameHoweverItsNumbersAreHeld() {
        for (Object own : List.of(Map.of("q_proj", 12, "v_proj", 4), Map.of("v_proj", 4.0, "q_proj", 12L))) {
            assertDoesNotThrow(() -> PeftKeys.requireSame(
                    stored("alpha_pattern", Map.of("q_proj", 12L, "v_proj", 4)), Map.of("alpha_pattern", own)));
        }
        assertDoesNotThrow(() -> PeftKeys.requireSame(stored("r", 8), Map.of("r", 8L)));
        assertDoesNotThrow(() -> PeftKeys.requireSame(
                stored("target_modules", List.of("q_proj", "v_proj")),
                Map.of("target_modules", List.of("v_proj", "q_proj"))));
    }

    @Test
    void anotherNumberOrNameIsRefusedByTheKey() {
        for (Object own : List.of(Map.of("q_proj", 11), Map.of("k_proj", 12), Map.of("q_proj", 12, "k_proj", 12))) {
            UserErrorException refused = assertThrows(
                    UserErrorException.class,
                    () -> PeftKeys.requireSame(
                            stored("alpha_pattern", Map.of("q_proj", 12)), Map.of("alpha_pattern", own)));
            assertTrue(refused.getMessage().contains("'alpha_pattern' is {q_proj=12}"), refused.getMessage());
        }
    }
}
