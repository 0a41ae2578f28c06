package org.finetune4j.train.report;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.TestJson;
import org.finetune4j.train.SampleComparison;
import org.finetune4j.train.TrainingPlan;
import org.junit.jupiter.api.Test;

class HtmlReportTest {

    private static final Pattern TAG = Pattern.compile("<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>\"]|\"[^\"]*\")*?)(/?)>");
    private static final Set<String> VOID = Set.of("meta");

    private final TrainingHistory history = new TrainingHistory();

    @Test
    void aFinishedRunShowsItsFiguresCurvesSamplesAndConfiguration() {
        Runs.complete(history, 200);

        String html = render();

        assertTrue(html.contains("<h1>stories15M-lora</h1><span class=\"status good\">Completed</span>"));
        assertTrue(html.contains("200 of 200 steps in 54 s. Held-out loss fell from 4.0200 to 0.6578."));
        for (String heading : List.of("Loss", "Learning rate", "Gradient norm", "Tokens per second")) {
            assertTrue(html.contains("<h3>" + heading + "</h3>"), heading);
        }
        assertTrue(html.contains("As expected before training: 0 of 2. After training: 1 of 2."));
        assertTrue(html.contains("<th scope=\"row\">learning_rate</th><td>0.0002</td>"));
        assertTrue(html.contains("<th scope=\"row\">lora.target_modules</th><td>[q_proj, v_proj]</td>"));
        assertTrue(html.contains("0.9 % of 134.5 M"));
    }

    @Test
    void thePageNeedsNothingFromOutside() {
        Runs.complete(history, 50);

        String html = render();

        assertFalse(Pattern.compile("(src|href)\\s*=|url\\(|@import|https?:")
                .matcher(html)
                .find());
        assertTrue(html.contains("default-src 'none'"));
    }

    @Test
    void whatTheModelAndTheUserWroteStaysText() {
        String attack = "</script><script>alert(\"x\")</script><img src=x onerror='alert(1)'>&amp;";
        history.onStart(new TrainingPlan(attack, 2, 1, 0, 1, 2, Map.of(attack, attack)));
        history.onStep(Runs.step(1, 1.0));
        history.onCheckpoint(Path.of("out", "<b>checkpoint"), 1);
        history.onSamples(List.of(
                new SampleComparison(attack, attack, attack, "\u0000\u001b[31m\ud800"),
                new SampleComparison("p", null, attack, attack)));
        history.onFailure(new IllegalStateException(attack));

        String html = render();

        assertFalse(html.contains("<script>alert"));
        assertFalse(html.contains("<img"));
        assertFalse(html.contains("<b>"));
        assertTrue(html.contains("&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;amp;"));
        assertTrue(html.contains("\ufffd\ufffd[31m\ufffd"), "characters that HTML forbids are replaced");
    }

    @Test
    void onlyThePagesOwnScriptMayRun() throws Exception {
        Runs.complete(history, 10);

        String html = render();

        Matcher script =
                Pattern.compile("<script>(.*?)</script>", Pattern.DOTALL).matcher(html);
        assertTrue(script.find());
        byte[] digest =
                MessageDigest.getInstance("SHA-256").digest(script.group(1).getBytes(StandardCharsets.UTF_8));
        assertTrue(html.contains("script-src 'sha256-" + Base64.getEncoder().encodeToString(digest) + "'"));
        assertFalse(script.find(), "there is one script");
    }

    @Test
    void oneStepIsADot() {
        history.onStart(Runs.plan(1, 0));
        history.onStep(Runs.step(1, 2.5));
        history.onEnd(Runs.summary(1, false));

        assertTrue(figure("loss").contains("<path class=\"train dots\" d=\"M1000.0 0.0h0\"/>"), figure("loss"));
    }

    @Test
    void lossesThatAreNotFiniteLeaveGapsAndANote() {
        history.onStart(Runs.plan(10, 0));
        for (int step = 1; step <= 10; step++) {
            history.onStep(
                    Runs.step(step, step == 4 ? Double.NaN : step == 8 ? Double.POSITIVE_INFINITY : 3 - 0.1 * step));
        }

        String loss = figure("loss");

        assertTrue(loss.contains("Training: 2 values are not finite"), loss);
        Matcher line = Pattern.compile("class=\"train line\" d=\"([^\"]*)\"").matcher(loss);
        assertTrue(line.find());
        assertEquals(3, line.group(1).chars().filter(c -> c == 'M').count(), "three pieces");
        assertFalse(loss.contains("NaN") || loss.contains("Infinity"), loss);
    }

    @Test
    void aRunWithNoFiniteLossIsAPageToo() {
        history.onStart(Runs.plan(2, 0));
        history.onStep(Runs.step(1, Double.NaN));
        history.onStep(Runs.step(2, Double.NaN));

        assertTrue(render().contains("No training loss."));
    }

    @Test
    void aRunThatDidNothingYetIsAPageToo() {
        assertDoesNotThrow(this::render);
        history.onStart(new TrainingPlan("empty", 0, 0, 0, 0, 0, Map.of()));
        assertTrue(render().contains("Not finished"));
    }

    @Test
    void aHundredThousandStepsMakeASmallPageThatKeepsTheSpike() {
        history.onStart(Runs.plan(100_000, 0));
        for (int step = 1; step <= 100_000; step++) {
            history.onStep(step == 54_321 ? Runs.step(step, 77.5) : Runs.step(step, 100_000));
        }

        String html = render();

        assertTrue(html.length() < 600_000, "length " + html.length());
        assertTrue(html.contains("[54321,77.500]"));
    }

    @Test
    void anInterruptedRunNamesTheCheckpointToResumeFrom() {
        history.onStart(Runs.plan(100, 0));
        Runs.steps(history, 0, 25, 100);
        history.onEnd(Runs.summary(25, true));

        String html = render();

        assertTrue(html.contains("<span class=\"status warn\">Interrupted</span>"));
        assertTrue(html.contains("Last checkpoint: " + Path.of("out", "checkpoint-20") + " (step 20)"));
    }

    @Test
    void theBestEvaluationIsNamedWhenItIsNotTheLast() {
        history.onStart(Runs.plan(30, 0));
        history.onEvaluation(Runs.evaluation(0, 30));
        history.onEvaluation(Runs.evaluation(20, 30));
        history.onEvaluation(Runs.evaluation(10, 30));

        assertTrue(render().contains(", with its best at step 20."));
    }

    @Test
    void everyFigureAndTableIsNamedForThoseWhoDoNotSeeIt() {
        Runs.complete(history, 100);

        String html = render();

        assertEquals(count(html, "<svg "), count(html, "role=\"img\" aria-labelledby="));
        assertEquals(count(html, "<svg "), count(html, "<desc "));
        assertEquals(count(html, "<table"), count(html, "<caption>"));
        assertTrue(html.contains("Training loss between"));
        Matcher references = Pattern.compile("aria-labelledby=\"([^\"]*)\"").matcher(html);
        while (references.find()) {
            for (String id : references.group(1).split(" ")) {
                assertEquals(1, count(html, " id=\"" + id + "\""), id);
            }
        }
    }

    @Test
    void theHoverDataAreJson() {
        Runs.complete(history, 300);

        Matcher data = Pattern.compile("<script type=\"application/json\">(.*?)</script>")
                .matcher(render());
        int charts = 0;
        while (data.find()) {
            String json = data.group(1);
            assertDoesNotThrow(() -> TestJson.parse(json), json);
            charts++;
        }
        assertEquals(4, charts);
    }

    @Test
    void theSameHistoryGivesTheSamePage() {
        Runs.complete(history, 100);

        assertEquals(HtmlReport.render(history), HtmlReport.render(history));
    }

    @Test
    void aLocaleWithDigitsOfItsOwnChangesNothing() {
        Runs.complete(history, 100);
        String html = HtmlReport.render(history);
        Locale original = Locale.getDefault();
        Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
        try {
            assertEquals(html, HtmlReport.render(history));
        } finally {
            Locale.setDefault(original);
        }
    }

    /** The page, after a check that its tags nest. */
    private String render() {
        String html = HtmlReport.render(history);
        String markup = html.replaceAll("(?s)<(script|style)([^>]*)>.*?</\\1>", "<$1$2></$1>");
        Deque<String> open = new ArrayDeque<>();
        Matcher tag = TAG.matcher(markup);
        int tags = 0;
        while (tag.find()) {
            tags++;
            String name = tag.group(2);
            if (!tag.group(1).isEmpty()) {
                assertEquals(open.poll(), name, () -> "closed at: " + markup.substring(0, tag.end()));
            } else if (tag.group(4).isEmpty() && !VOID.contains(name)) {
                open.push(name);
            }
        }
        assertTrue(open.isEmpty(), open.toString());
        // All angle brackets but that of the document type belong to tags.
        assertEquals(tags + 1, count(markup, "<"));
        return html;
    }

    private String figure(String id) {
        String html = render();
        int start = html.indexOf("<figure class=\"chart\" id=\"" + id + "\">");
        return html.substring(start, html.indexOf("</figure>", start));
    }

    private static int count(String text, String part) {
        return text.split(Pattern.quote(part), -1).length - 1;
    }
}
