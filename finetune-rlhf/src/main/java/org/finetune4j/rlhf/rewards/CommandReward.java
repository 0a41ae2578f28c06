package org.finetune4j.rlhf.rewards;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.finetune4j.Json;

/**
 * Scores an answer by any program: it reads one JSON object with {@code prompt}, {@code completion} and the record's columns
 * from its standard input, and its exit code is 0 for a good answer.
 */
public final class CommandReward extends ProgramReward {

    private final List<String> command;

    /**
     * A program that scores answers.
     *
     * @param command the program and its arguments
     * @param limit how long it may run for an answer
     */
    public CommandReward(List<String> command, Duration limit) {
        super("command", limit);
        this.command = List.copyOf(command);
    }

    @Override
    Invocation invocation(RewardRequest request, Path directory) {
        var input = Json.object();
        request.columns().forEach((name, value) -> input.set(name, Json.of(value)));
        input.put("prompt", request.prompt()).put("completion", request.completion());
        return new Invocation(command, (Json.write(input) + "\n").getBytes(StandardCharsets.UTF_8));
    }
}
