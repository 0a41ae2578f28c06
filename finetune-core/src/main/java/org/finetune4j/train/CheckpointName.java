package org.finetune4j.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The names of checkpoints: {@code checkpoint-STEP}, the step as a run writes it, without zeros before it. */
public final class CheckpointName {

    /** No more digits than a long has in any case. */
    private static final Pattern NAME = Pattern.compile("checkpoint-(0|[1-9][0-9]{0,17})");

    private CheckpointName() {}

    /**
     * The step that a directory's name gives.
     *
     * @param path any path
     * @return the step, or nothing when this is no directory or has another name
     */
    public static OptionalLong stepOf(Path path) {
        return Files.isDirectory(path) ? parse(path) : OptionalLong.empty();
    }

    /** The step that a name gives, whatever lies there. */
    static OptionalLong parse(Path path) {
        Matcher matcher = NAME.matcher(path.getFileName().toString());
        return matcher.matches() ? OptionalLong.of(Long.parseLong(matcher.group(1))) : OptionalLong.empty();
    }

    static Path of(Path root, long step) {
        return root.resolve("checkpoint-" + step);
    }
}
