package org.finetune4j.dist.zero;

import java.util.IdentityHashMap;
import java.util.List;
import java.util.Objects;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Residency;
import org.jspecify.annotations.Nullable;

/** Has a segment's compressed weights here while it runs. */
final class PackedShards implements Residency {

    private final IdentityHashMap<Module, List<PackedShard>> bySegment = new IdentityHashMap<>();

    private List<PackedShard> of(Module segment) {
        return bySegment.computeIfAbsent(segment, key -> key.allParameters().stream()
                .map(PackedShards::shard)
                .filter(Objects::nonNull)
                .toList());
    }

    private static @Nullable PackedShard shard(Parameter parameter) {
        return parameter.compressed() instanceof PackedShard shard ? shard : null;
    }

    @Override
    public void beforeForward(Module segment) {
        of(segment).forEach(PackedShard::lend);
    }

    @Override
    public void afterForward(Module segment) {
        of(segment).forEach(PackedShard::release);
    }

    @Override
    public void beforeBackward(Module segment) {
        of(segment).forEach(PackedShard::lend);
    }

    @Override
    public void afterBackward(Module segment) {
        of(segment).forEach(PackedShard::release);
    }
}
