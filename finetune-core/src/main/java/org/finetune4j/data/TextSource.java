package org.finetune4j.data;

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

    /** Records of a JSON file that have their text under one key, one piece each. */
    record Records(RecordFile file, String field) implements TextSource {
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
}
