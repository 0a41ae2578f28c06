package org.finetune4j.model.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpRequest.BodyPublishers;
import java.time.Duration;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How long a body may take, and where redirects lead. */
class HubHttpTest {

    private static final URI FROM = URI.create("https://hub.example/org/name/resolve/main/a");

    @Test
    void aLargeBodyHasLongerToBeSent() {
        assertEquals(Duration.ofSeconds(60), HubHttp.timeout(Waiting.SLEEP, BodyPublishers.noBody()));
        assertEquals(
                Duration.ofSeconds(60 + 32 * 1024),
                HubHttp.timeout(
                        Waiting.SLEEP,
                        BodyPublishers.fromPublisher(
                                BodyPublishers.ofInputStream(InputStream::nullInputStream), 1L << 30)));
    }

    @Test
    void anAddressWithCharactersThatNoneHasIsEscaped() {
        assertEquals(
                "https://cdn.example/x%20y?name=%C3%A4%7C%25&sig=a%2Bb~",
                HubHttp.target(FROM, "https://cdn.example/x y?name=\u00e4|%25&sig=a%2Bb~")
                        .toString());
        assertEquals(
                "https://hub.example/other/name",
                HubHttp.target(FROM, "/other/name").toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "::::",
                "ftp://host/file",
                "file:///etc/passwd",
                "http://",
                "https:///x",
                "http://hub.example/",
                "data:,x",
                "javascript:1"
            })
    void anAddressThatCannotBeAskedIsRefusedAtOnce(String location) {
        assertThrows(UserErrorException.class, () -> HubHttp.target(FROM, location));
    }
}
