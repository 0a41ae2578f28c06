package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationOptions.EarlyStopping;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Follows the {@code numBeams} likeliest sequences of each prompt and keeps the best that have ended, by transformers'
 * rules: a beam that ends counts when it is among the best {@code numBeams} of its step, its score is the sum of its
 * log-probabilities divided by its length to the power of {@code lengthPenalty}.
 */
final class BeamSearch {

    /**
     * A sequence and how likely its tokens were.
     *
     * @param logprobs one a new token where they were asked for, else empty
     */
    private record Path(TokenSequence tokens, List<TokenLogprob> logprobs) {}

    /** A sequence that still grows. */
    private record Beam(Path path, double score) {}

    /**
     * What one step could make of a beam.
     *
     * @param scores of the beam, as the model gave them
     */
    private record Candidate(int beam, int token, double score, float[] scores) {}

    /** A sequence that has ended. */
    private record Finished(Path path, double score, FinishReason reason) {}

    /** The search for one prompt. */
    private static final class Search {
        private List<Beam> running = new ArrayList<>();
        private final List<Finished> finished = new ArrayList<>();
        private boolean done;
    }

    private final CausalLM model;
    private final GenerationOptions options;
    private final Set<Integer> stops;
    private final List<LogitsProcessor> processors;
    private final int beams;

    /** @param options complete: with stop tokens */
    BeamSearch(CausalLM model, GenerationOptions options) {
        this.model = model;
        this.options = options;
        this.stops = options.stopTokens() == null ? Set.of() : options.stopTokens();
        this.processors = LogitsProcessor.of(options, stops);
        this.beams = options.numBeams();
    }

    /** Continues all prompts at once; gives the best {@code numReturnSequences} beams of each. */
    List<Completion> run(List<int[]> prompts, @Nullable RowAdapters adapters) {
        int longest = prompts.stream().mapToInt(prompt -> prompt.length).max().orElse(0);
        try (BeamRows rows = new BeamRows(model, longest + options.maxNewTokens(), options.taskId())) {
            return run(prompts, rows, adapters);
        }
    }

    private List<Completion> run(List<int[]> prompts, BeamRows beamRows, @Nullable RowAdapters adapters) {
        List<Search> searches = new ArrayList<>();
        for (int[] prompt : prompts) {
            Search search = new Search();
            search.running.add(new Beam(new Path(new TokenSequence(prompt), List.of()), 0));
            searches.add(search);
        }
        Tensor scores = beamRows.start(prompts, adapters);
        try {
            while (true) {
                int[] rows = step(searches, scores);
                if (searches.stream().allMatch(search -> search.done)) {
                    return completions(searches);
                }
                scores.close();
                beamRows.select(rows);
                scores = beamRows.next(lastTokens(searches));
            }
        } finally {
            scores.close();
        }
    }

    /** Takes every search one token further and gives the row of the cache that each of the new beams comes from. */
    private int[] step(List<Search> searches, Tensor scores) {
        int vocabulary = (int) scores.size(1);
        float[] all = scores.toFloatArray();
        List<Integer> rows = new ArrayList<>();
        int firstRow = 0;
        for (Search search : searches) {
            int width = search.running.size();
            if (search.done) {
                for (int beam = 0; beam < width; beam++) {
                    rows.add(firstRow + beam);
                }
            } else {
                List<float[]> rowScores = new ArrayList<>();
                for (int beam = 0; beam < width; beam++) {
                    int from = (firstRow + beam) * vocabulary;
                    rowScores.add(Arrays.copyOfRange(all, from, from + vocabulary));
                }
                for (int beam : advance(search, candidates(search.running, rowScores))) {
                    rows.add(firstRow + beam);
                }
            }
            firstRow += width;
        }
        return rows.stream().mapToInt(Integer::intValue).toArray();
    }

    private float[] processed(Beam beam, float[] scores) {
        float[] logprobs = scores.clone();
        float logSum = (float) Scores.logSumExp(scores);
        if (!Float.isFinite(logSum)) {
            throw new UserErrorException("the model's scores are no numbers after " + beam.path.tokens.length()
                    + " tokens: its weights, or those of an adapter, are broken");
        }
        for (int i = 0; i < scores.length; i++) {
            logprobs[i] -= logSum;
        }
        for (LogitsProcessor processor : processors) {
            processor.process(beam.path.tokens, logprobs);
        }
        return logprobs;
    }

    /** The best continuations, enough to have {@code beams} that go on even when every stop token is among them. */
    private List<Candidate> candidates(List<Beam> running, List<float[]> scores) {
        long wanted = Math.max(2L, 1L + stops.size()) * beams;
        int count = (int) Math.min(wanted, (long) running.size() * scores.get(0).length);
        List<Candidate> candidates = new ArrayList<>();
        for (int i = 0; i < running.size(); i++) {
            Beam beam = running.get(i);
            float[] logprobs = processed(beam, scores.get(i));
            for (int token : Scores.top(logprobs, count)) {
                candidates.add(new Candidate(i, token, beam.score + logprobs[token], scores.get(i)));
            }
        }
        candidates.sort(Comparator.comparingDouble(Candidate::score).reversed());
        return candidates.subList(0, Math.min(count, candidates.size()));
    }

    /** Sorts candidates into ended and running ones; gives the beam that each running one continues. */
    private int[] advance(Search search, List<Candidate> candidates) {
        List<Beam> next = new ArrayList<>();
        List<Integer> origins = new ArrayList<>();
        boolean full = search.finished.size() == beams && options.earlyStopping() == EarlyStopping.FIRST;
        int length = search.running.get(0).path.tokens.newTokens() + 1;
        for (int rank = 0; rank < candidates.size(); rank++) {
            Candidate candidate = candidates.get(rank);
            Path path = continued(search, candidate);
            boolean stop = stops.contains(candidate.token) || holdsStopString(path);
            boolean ends = stop || length >= options.maxNewTokens();
            if (ends && rank < beams && !full) {
                double score = candidate.score / Math.pow(length, options.lengthPenalty());
                search.finished.add(new Finished(path, score, stop ? FinishReason.STOP : FinishReason.LENGTH));
            } else if (!ends && next.size() < beams) {
                next.add(new Beam(path, candidate.score));
                origins.add(candidate.beam);
            }
        }
        search.finished.sort(Comparator.comparingDouble(Finished::score).reversed());
        while (search.finished.size() > beams) {
            search.finished.remove(search.finished.size() - 1);
        }
        if (next.isEmpty()) {
            search.done = true;
            return identity(search.running.size());
        }
        search.running = next;
        search.done = !canImprove(search, length);
        return origins.stream().mapToInt(Integer::intValue).toArray();
    }

    private Path continued(Search search, Candidate candidate) {
        Path before = search.running.get(candidate.beam).path;
        TokenSequence tokens = before.tokens.copy();
        tokens.add(candidate.token);
        if (options.logprobs() < 0) {
            return new Path(tokens, List.of());
        }
        List<TokenLogprob> logprobs = new ArrayList<>(before.logprobs);
        logprobs.add(Logprobs.of(candidate.scores, candidate.token, options.logprobs()));
        return new Path(tokens, logprobs);
    }

    /** Whether the continuation holds a stop string; that of a running beam never did before. */
    private boolean holdsStopString(Path path) {
        if (options.stopStrings().isEmpty()) {
            return false;
        }
        int[] added = path.tokens.added().stream().mapToInt(Integer::intValue).toArray();
        String text = model.tokenizer().decode(added, true);
        return options.stopStrings().stream().anyMatch(text::contains);
    }

    private boolean canImprove(Search search, int length) {
        if (search.finished.size() < beams) {
            return true;
        }
        if (options.earlyStopping() == EarlyStopping.FIRST) {
            return false;
        }
        boolean longest = options.earlyStopping() == EarlyStopping.NEVER && options.lengthPenalty() > 0;
        int hopedLength = longest ? options.maxNewTokens() : length;
        double best = search.running.get(0).score / Math.pow(hopedLength, options.lengthPenalty());
        return best > search.finished.get(beams - 1).score;
    }

    private static int[] identity(int size) {
        int[] rows = new int[size];
        Arrays.setAll(rows, row -> row);
        return rows;
    }

    private static int[] lastTokens(List<Search> searches) {
        return searches.stream()
                .flatMap(search -> search.running.stream())
                .map(beam -> beam.path.tokens)
                .mapToInt(tokens -> tokens.get(tokens.length() - 1))
                .toArray();
    }

    private List<Completion> completions(List<Search> searches) {
        List<Completion> completions = new ArrayList<>();
        for (int prompt = 0; prompt < searches.size(); prompt++) {
            List<Finished> finished = searches.get(prompt).finished;
            for (int i = 0; i < Math.min(options.numReturnSequences(), finished.size()); i++) {
                Finished best = finished.get(i);
                completions.add(new Completion(
                        prompt,
                        text(best.path.tokens),
                        best.path.tokens.added(),
                        best.reason,
                        best.path.logprobs,
                        best.score));
            }
        }
        return completions;
    }

    private String text(TokenSequence tokens) {
        if (!model.hasTokenizer()) {
            return "";
        }
        GeneratedText text = new GeneratedText(model.tokenizer(), options.stopStrings(), stops, piece -> {});
        tokens.added().forEach(text::push);
        return text.finish();
    }
}
