package org.finetune4j.site;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.commonmark.Extension;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.ext.heading.anchor.HeadingAnchorExtension;
import org.commonmark.node.AbstractVisitor;
import org.commonmark.node.Image;
import org.commonmark.node.Link;
import org.commonmark.node.Node;
import org.commonmark.parser.Parser;
import org.commonmark.renderer.html.HtmlRenderer;

/** Markdown to HTML, with links between pages made links between their HTML. */
final class MarkdownPages {

    private static final Pattern TITLE = Pattern.compile("(?m)^# (.+)$");

    private final Path root;
    private final Parser parser;
    private final HtmlRenderer renderer;

    MarkdownPages(Path root) {
        this.root = root;
        List<Extension> extensions = List.of(TablesExtension.create(), HeadingAnchorExtension.create());
        this.parser = Parser.builder().extensions(extensions).build();
        this.renderer = HtmlRenderer.builder().extensions(extensions).build();
    }

    /** The file of a page in the site. */
    static String target(String page) {
        if (page.equals("README.md")) {
            return "index.html";
        }
        return page.replaceFirst("README\\.md$", "index.html").replaceFirst("\\.(md|ipynb)$", ".html");
    }

    /** The way from a page to the site's root, empty or with a slash at its end. */
    static String up(String page) {
        return "../".repeat((int) page.chars().filter(c -> c == '/').count());
    }

    /** The first heading, or the page's name. */
    static String title(String text, String page) {
        Matcher matcher = TITLE.matcher(text);
        return matcher.find() ? matcher.group(1) : page;
    }

    /**
     * Renders a text.
     *
     * @param page the text's, from which its links lead
     * @param at the page that it becomes part of
     * @param text Markdown
     * @param linked is told files and directories that are no pages
     */
    String render(String page, String at, String text, Consumer<String> linked) {
        Node document = parser.parse(text);
        document.accept(new AbstractVisitor() {
            @Override
            public void visit(Link link) {
                link.setDestination(destination(page, at, link.getDestination(), linked));
                visitChildren(link);
            }

            @Override
            public void visit(Image image) {
                image.setDestination(destination(page, at, image.getDestination(), linked));
                visitChildren(image);
            }
        });
        return renderer.render(document);
    }

    private String destination(String page, String at, String link, Consumer<String> linked) {
        if (link.matches("[a-z]+:.*") || link.startsWith("#")) {
            return link;
        }
        int hash = link.indexOf('#');
        String path = hash < 0 ? link : link.substring(0, hash);
        String anchor = hash < 0 ? "" : link.substring(hash);
        Path directory = Objects.requireNonNullElse(Path.of(page).getParent(), Path.of(""));
        String to = directory.resolve(path).normalize().toString().replace('\\', '/');
        Path file = root.resolve(to);
        if (!Files.exists(file)) {
            throw new IllegalStateException(page + ": a link leads nowhere: " + link);
        }
        boolean isPage = to.matches(".*\\.(md|ipynb)");
        if (!isPage) {
            linked.accept(to);
        }
        return up(at) + (isPage ? target(to) : to) + anchor;
    }
}
