package org.finetune4j.model.hub;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.Json;

/** A commit in the lines of JSON that a hub reads: what it says, then one line a file. */
final class CommitBody {

    private CommitBody() {}

    static void write(Path target, List<UploadFile> files, String message) throws IOException {
        try (BufferedWriter out = Files.newBufferedWriter(target)) {
            ObjectNode header = Json.object().put("summary", message).put("description", "");
            line(out, "header", header);
            for (UploadFile file : files) {
                ObjectNode value = Json.object().put("path", file.path());
                if (file.isLarge()) {
                    value.put("algo", "sha256").put("oid", file.sha256()).put("size", file.size());
                    line(out, "lfsFile", value);
                } else {
                    value.put("encoding", "base64").put("content", file.content());
                    line(out, "file", value);
                }
            }
        }
    }

    private static void line(BufferedWriter out, String key, ObjectNode value) throws IOException {
        ObjectNode line = Json.object().put("key", key);
        line.set("value", value);
        out.write(Json.write(line));
        out.write('\n');
    }
}
