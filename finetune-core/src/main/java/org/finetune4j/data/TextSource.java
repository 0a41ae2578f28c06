package org.finetune4j.data;

import java.util.Arrays;
import java.util.List;

/** Documents in pieces that can be read again one by one. Pieces of a document follow each other. */
interface TextSource {

    int pieces();

    String text(int piece);

    default boolean opensDocument(int piece) {
        return true;
    }

    default boolean closesDocument(int piece) {
        return true;
    }

    String location(int piece);

    /** Documents in memory, one piece each. */
    record Strings(List<String> documents) implements TextSource {
        @Override
        public int pieces() {
            return documents.size();
        }

        @Override
        public String text(int piece) {
            return documents.get(piece);
        }

        @Override
        public String location(int piece) {
            return "document " + piece;
        }
    }

    /** Records that have their text under one key, one piece each. */
    record Records(RecordSource file, String field) implements TextSource {
        @Override
        public int pieces() {
            return file.size();
        }

        @Override
        public String text(int piece) {
            return RecordFields.requiredString(file.get(piece), field);
        }

        @Override
        public String location(int piece) {
            return file.location(piece);
        }
    }

    /** Sources one after the other. */
    record Several(List<TextSource> sources, int[] starts) implements TextSource {

        static TextSource of(List<TextSource> sources) {
            if (sources.size() == 1) {
                return sources.get(0);
            }
            int[] starts = new int[sources.size() + 1];
            for (int i = 0; i < sources.size(); i++) {
                starts[i + 1] = Math.addExact(starts[i], sources.get(i).pieces());
            }
            return new Several(List.copyOf(sources), starts);
        }

        @Override
        public int pieces() {
            return starts[starts.length - 1];
        }

        @Override
        public boolean opensDocument(int piece) {
            int source = source(piece);
            return sources.get(source).opensDocument(piece - starts[source]);
        }

        @Override
        public boolean closesDocument(int piece) {
            int source = source(piece);
            return sources.get(source).closesDocument(piece - starts[source]);
        }

        @Override
        public String text(int piece) {
            int source = source(piece);
            return sources.get(source).text(piece - starts[source]);
        }

        @Override
        public String location(int piece) {
            int source = source(piece);
            return sources.get(source).location(piece - starts[source]);
        }

        private int source(int piece) {
            int found = Arrays.binarySearch(starts, piece);
            return found >= 0 ? found : -found - 2;
        }
    }
}
