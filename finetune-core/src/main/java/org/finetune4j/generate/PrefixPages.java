package org.finetune4j.generate;

import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.nn.KeyValueCache.KeyValues;

/**
 * Keys and values of beginnings of texts, which later rows begin with. They lie in pages of some tokens; a page belongs to all texts
 * that are the same up to its end. What was not used for longest leaves when there is too much.
 */
final class PrefixPages implements AutoCloseable {

    /** The tokens of a page: texts share whole ones. */
    static final int TOKENS = 16;

    /**
     * Where a page stands. Tokens are compared, not only their hash: nothing but the same text finds a page.
     *
     * @param before the page before it, or what those have in common that share pages
     */
    private record Place(Object before, IntBuffer tokens) {}

    /** The keys and values of some tokens, equal to itself alone. */
    private static final class Page {

        private final Place place;
        private final List<KeyValues> layers; // each [1, kvHeads, tokens, headDim]

        private Page(Place place, List<KeyValues> layers) {
            this.place = place;
            this.layers = layers;
        }

        private long bytes() {
            return layers.stream()
                    .flatMap(layer -> Stream.of(layer.keys(), layer.values()))
                    .mapToLong(tensor -> tensor.numel() * tensor.dtype().itemSize())
                    .sum();
        }

        private void close() {
            layers.forEach(layer -> {
                layer.keys().close();
                layer.values().close();
            });
        }
    }

    /** By use: the first was not used for longest. A page is always younger than those that stand after it. */
    private final Map<Place, Page> pages = new LinkedHashMap<>(16, 0.75f, true);

    private long bytes;

    /** How many tokens the pages have. */
    long tokens() {
        return (long) TOKENS * pages.size();
    }

    long bytes() {
        return bytes;
    }

    /**
     * Lets a row that has a place and no keys begin with what pages have of its text.
     *
     * @param scope equal for rows that may share
     * @param most how many tokens at most
     * @return how many tokens the row has now
     */
    int give(Object scope, DecoderRow row, int most) {
        RowBlock block = row.block;
        List<Page> found = block == null ? List.of() : find(scope, row.tokens(), most);
        if (block == null || found.isEmpty()) {
            return 0;
        }
        block.require(found.size() * TOKENS);
        for (int i = 0; i < found.size(); i++) {
            block.put(row, i * TOKENS, found.get(i).layers);
        }
        return found.size() * TOKENS;
    }

    /**
     * Keeps what a row has read.
     *
     * @param scope equal for rows that may share
     * @param room how many tokens all pages may have
     */
    void take(Object scope, DecoderRow row, long room) {
        RowBlock block = row.block;
        if (block == null) {
            return;
        }
        int whole = (int) Math.min(row.read(), room) / TOKENS;
        List<Page> known = find(scope, row.tokens(), whole * TOKENS);
        for (int i = known.size(); i < whole; i++) {
            shrinkTo(room - TOKENS);
            Object before = i == 0 ? scope : known.get(i - 1);
            Page page = new Page(
                    new Place(before, row.tokens().slice(i * TOKENS, TOKENS)), block.copy(row, i * TOKENS, TOKENS));
            pages.put(page.place, page);
            bytes += page.bytes();
            known.add(page);
        }
        use(known);
    }

    private List<Page> find(Object scope, TokenSequence tokens, int most) {
        List<Page> found = new ArrayList<>();
        Object before = scope;
        for (int from = 0; from + TOKENS <= most; from += TOKENS) {
            Page page = pages.get(new Place(before, tokens.slice(from, TOKENS)));
            if (page == null) {
                break;
            }
            found.add(page);
            before = page;
        }
        use(found);
        return found;
    }

    /** The last one first, so that no page leaves before those that stand after it. */
    private void use(List<Page> chain) {
        for (int i = chain.size() - 1; i >= 0; i--) {
            pages.get(chain.get(i).place);
        }
    }

    /** Lets go of the oldest pages until there are so many tokens or fewer. */
    void shrinkTo(long tokens) {
        Iterator<Page> oldest = pages.values().iterator();
        while (tokens() > tokens && oldest.hasNext()) {
            Page page = oldest.next();
            oldest.remove();
            bytes -= page.bytes();
            page.close();
        }
    }

    @Override
    public void close() {
        shrinkTo(0);
    }
}
