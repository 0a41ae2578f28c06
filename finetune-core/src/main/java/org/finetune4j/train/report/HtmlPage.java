package org.finetune4j.train.report;

import com.google.common.hash.Hashing;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import org.finetune4j.AtomicFiles;

/**
 * One HTML page that needs nothing else: no network, no fonts, no library. Light and dark follow the reader's setting, and the
 * page prints. Its content security policy allows its own script only.
 */
public final class HtmlPage {

    private HtmlPage() {}

    /**
     * Writes a page, or replaces it as a whole.
     *
     * @param file the HTML file
     * @param title what it is about, as text
     * @param body what is shown, as HTML in which all text has been {@link #escape escaped}
     * @throws org.finetune4j.UserErrorException when the file cannot be written
     */
    public static void write(Path file, String title, String body) {
        AtomicFiles.writeString(file, render(title, body));
    }

    /**
     * {@return text such that it is text and nothing else, in element content and in quoted attributes}
     *
     * @param text any text; characters that HTML forbids become the replacement character
     */
    public static String escape(String text) {
        return Html.escape(text);
    }

    static String render(String title, String body) {
        String script = resource("report.js");
        StringBuilder html = new StringBuilder(1 << 16);
        html.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.append("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ");
        html.append("style-src 'unsafe-inline'; script-src 'sha256-")
                .append(sha256(script))
                .append("'\">\n");
        html.append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        html.append("<title>").append(Html.escape(title)).append("</title>\n");
        html.append("<style>\n").append(resource("report.css")).append("</style>\n</head>\n<body>\n<main>\n");
        html.append(body);
        html.append("<footer>Written by Finetune4j</footer>\n</main>\n");
        return html.append("<script>")
                .append(script)
                .append("</script>\n</body>\n</html>\n")
                .toString();
    }

    private static String resource(String name) {
        try (InputStream in = HtmlPage.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("missing from the jar: " + name);
            }
            // A checkout may have given the file other line ends; browsers hash what they parsed, with \n.
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).replace("\r\n", "\n");
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + name, e);
        }
    }

    private static String sha256(String text) {
        return Base64.getEncoder()
                .encodeToString(Hashing.sha256()
                        .hashString(text, StandardCharsets.UTF_8)
                        .asBytes());
    }
}
