package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.finetune4j.Json;
import org.finetune4j.OutputPath;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.merge.GreedySoup;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Averages fine-tunes of one base, all of them or those that help on held-out data (Wortsman et al. 2022). */
@Command(
        name = "soup",
        mixinStandardHelpOptions = true,
        description = {
            "Makes a model soup of checkpoints of one training or of several: the mean of models, or of what adapters add.",
            "Every candidate and the soup are measured on held-out data. The greedy soup is never worse there than its best"
                    + " ingredient."
        })
final class SoupCommand implements Callable<Integer> {

    /** Which candidates go into the soup. */
    enum Recipe {
        UNIFORM,
        GREEDY
    }

    @Option(
            names = "--candidates",
            arity = "1..*",
            paramLabel = "DIR",
            description = "Models, or adapters of one base; checkpoints of a training are either.")
    private List<Path> candidates = List.of();

    @Option(
            names = "--runs",
            arity = "1..*",
            paramLabel = "DIR",
            description = "Output directories of trainings: all of their checkpoints are candidates.")
    private List<Path> runs = List.of();

    @Option(names = "--model", paramLabel = "MODEL", description = "The base of adapters: directory, or ORG/NAME.")
    private @Nullable String model;

    @Option(
            names = "--recipe",
            defaultValue = "greedy",
            paramLabel = "NAME",
            description = "greedy or uniform (default: ${DEFAULT-VALUE}).")
    private Recipe recipe;

    @Mixin
    private HeldOutOptions heldOut;

    @Option(
            names = "--metric",
            defaultValue = "loss",
            paramLabel = "NAME",
            description = "loss, perplexity, exact_match, rouge1, rouge2, rougeL or bleu (default: ${DEFAULT-VALUE}).")
    private String metric;

    @Option(
            names = "--rank",
            defaultValue = "0",
            paramLabel = "N",
            description = "Compresses a soup of LoRA adapters to this rank, by SVD; else it has the sum of the ranks.")
    private int rank;

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "Where to write the soup.")
    private Path output;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() {
        heldOut.check();
        Candidates all = Candidates.of(candidates, runs);
        if (all.adapters() == (model == null)) {
            throw new UserErrorException(
                    all.adapters()
                            ? "the candidates are adapters: name their base with --model"
                            : "the candidates are whole models: --model is for adapters");
        }
        OutputPath.requireOther(output, all.directories());
        if (model != null) {
            OutputPath.requireOther(output, List.of(HubModels.directory(model)));
        }
        try (CausalLM base = model == null ? null : CausalLM.load(HubModels.directory(model))) {
            SoupScores scores = new SoupScores(all, base, heldOut, metric, rank);
            ObjectNode report = cook(all, scores);
            System.out.println(json ? Json.write(report) : table(report));
        }
        return 0;
    }

    private ObjectNode cook(Candidates all, SoupScores scores) {
        int count = all.directories().size();
        double[] alone = IntStream.range(0, count)
                .mapToDouble(candidate -> {
                    double value = scores.alone(candidate);
                    tell("%s  %s %.6f", all.directories().get(candidate), metric, value);
                    return scores.score(value);
                })
                .toArray();
        GreedySoup soup;
        if (recipe == Recipe.GREEDY) {
            soup = GreedySoup.of(alone, chosen -> {
                double value = scores.soup(chosen);
                tell("soup of %d, with %s  %s %.6f", chosen.size(), last(all, chosen), metric, value);
                return scores.score(value);
            });
        } else {
            List<Integer> everything = IntStream.range(0, count).boxed().toList();
            soup = new GreedySoup(everything, scores.score(scores.soup(everything)), List.of());
        }
        all.cook(soup.ingredients(), rank, output);
        return report(all, alone, soup, scores);
    }

    private static Path last(Candidates all, List<Integer> chosen) {
        return all.directories().get(chosen.get(chosen.size() - 1));
    }

    private static void tell(String format, Object... values) {
        System.err.println(String.format(Locale.ROOT, format, values));
    }

    private ObjectNode report(Candidates all, double[] alone, GreedySoup soup, SoupScores scores) {
        ObjectNode report = Json.object();
        report.put("recipe", recipe.name().toLowerCase(Locale.ROOT));
        report.put("metric", metric);
        ArrayNode rows = report.putArray("candidates");
        double best = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < alone.length; i++) {
            best = Math.max(best, alone[i]);
            rows.addObject()
                    .put("directory", all.directories().get(i).toString())
                    .put("alone", scores.score(alone[i]))
                    .put("in_soup", soup.ingredients().contains(i));
        }
        report.put("best_alone", scores.score(best));
        report.put("soup", scores.score(soup.score()));
        report.put("ingredients", soup.ingredients().size());
        report.put("output", output.toString());
        return report;
    }

    private static String table(ObjectNode report) {
        StringBuilder text = new StringBuilder();
        report.path("candidates")
                .forEach(row -> text.append(String.format(
                        Locale.ROOT,
                        "%s %.6f  %s%n",
                        row.path("in_soup").asBoolean() ? "+" : " ",
                        row.path("alone").asDouble(),
                        row.path("directory").asText())));
        return text
                + String.format(
                        Locale.ROOT,
                        "best candidate  %s %.6f%n%s soup of %d  %s %.6f%n%s",
                        report.path("metric").asText(),
                        report.path("best_alone").asDouble(),
                        report.path("recipe").asText(),
                        report.path("ingredients").asInt(),
                        report.path("metric").asText(),
                        report.path("soup").asDouble(),
                        report.path("output").asText());
    }
}
