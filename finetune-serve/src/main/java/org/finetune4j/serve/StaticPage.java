package org.finetune4j.serve;

import io.javalin.config.RoutesConfig;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Map;

/** The page for browsers: three files that need nothing else. */
final class StaticPage {

    private static final Map<String, String> FILES = Map.of(
            "index.html", "text/html; charset=utf-8",
            "page.js", "text/javascript; charset=utf-8",
            "page.css", "text/css; charset=utf-8");

    /** Nothing from elsewhere, nothing within others' pages. */
    private static final String POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
            + " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private StaticPage() {}

    static void addTo(RoutesConfig routes) {
        FILES.forEach((name, type) -> {
            byte[] content = read(name);
            routes.get(
                    name.equals("index.html") ? "/" : "/" + name, ctx -> ctx.header("Content-Security-Policy", POLICY)
                            .header("X-Content-Type-Options", "nosniff")
                            .header("Cache-Control", "no-cache")
                            .contentType(type)
                            .result(content));
        });
    }

    private static byte[] read(String name) {
        try (InputStream file = StaticPage.class.getResourceAsStream("page/" + name)) {
            if (file == null) {
                throw new IllegalStateException("the page lacks " + name);
            }
            return file.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
