package org.finetune4j.site;

/** What all pages have around their text. */
final class Layout {

    static final String STYLE_FILE = "style.css";

    static final String STYLE = """
            :root { color-scheme: light dark; --line: #8884; --soft: #8881; }
            body { margin: 0; display: flex; font: 16px/1.55 system-ui, sans-serif; }
            nav { flex: 0 0 17rem; height: 100vh; overflow: auto; position: sticky; top: 0; padding: 1rem; box-sizing: border-box;
                  border-right: 1px solid var(--line); font-size: 14px; }
            nav h1 { font-size: 16px; } nav h2 { font-size: 14px; margin: 1em 0 0; } nav p { display: none; }
            nav ul { list-style: none; margin: 0; padding: 0; }
            main { flex: 1; min-width: 0; max-width: 60rem; padding: 1rem 2rem 4rem; }
            a { color: #1a6fb0; text-decoration: none; } a:hover { text-decoration: underline; }
            pre { overflow: auto; padding: .8rem 1rem; background: var(--soft); border-radius: 6px; }
            code { font: 13.5px/1.45 ui-monospace, monospace; }
            table { border-collapse: collapse; display: block; overflow: auto; }
            td, th { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
            .shown svg, main img { max-width: 100%; height: auto; }
            @media (max-width: 50rem) { body { display: block; } nav { height: auto; position: static; border: 0; } }
            @media print { nav { display: none; } }
            """;

    private Layout() {}

    static String page(String title, String up, String contents, String body) {
        String name = title.replaceAll("[`*]", "").replace("&", "&amp;").replace("<", "&lt;");
        return """
                <!doctype html>
                <html lang="en">
                <meta charset="utf-8">
                <meta name="viewport" content="width=device-width, initial-scale=1">
                <title>%s - Finetune4j</title>
                <link rel="stylesheet" href="%s">
                <nav><a href="%sindex.html"><b>Finetune4j</b></a> · <a href="%sapi/index.html">Javadoc</a>
                %s</nav>
                <main>
                %s</main>
                </html>
                """.formatted(name, up + STYLE_FILE, up, up, contents, body);
    }
}
