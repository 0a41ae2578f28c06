package org.finetune4j.dist.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.IntFunction;
import org.finetune4j.data.DataSharing;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * Ranks of one host tokenise each piece of the data once, whichever of them needs it first, in the background of its steps; the others
 * read it from a file of the host's temporary directory, which has no name any more once all have opened it.
 */
public final class HostSharing implements DataSharing, AutoCloseable {

    private final Communicator world;
    private final List<SharedPieces> open = new ArrayList<>();

    /** @param world all ranks, on any number of hosts; stays the caller's */
    public HostSharing(Communicator world) {
        this.world = world;
    }

    @Override
    public IntFunction<int[][]> once(int count, IntFunction<int[][]> make) {
        if (world.size() == 1 || count > SharedPieces.MOST) {
            return make;
        }
        Path file = Path.of(System.getProperty("java.io.tmpdir"), "finetune4j-data-" + name());
        IntFunction<int[][]> pieces = make;
        try {
            SharedPieces shared = new SharedPieces(file, count, make);
            open.add(shared);
            pieces = shared;
        } catch (IOException e) {
            // Without room in the temporary directory each rank does the work by itself.
        }
        world.barrier();
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            // The system clears its temporary directory.
        }
        return pieces;
    }

    /** The first rank's, which nobody else has. */
    private UUID name() {
        UUID own = UUID.randomUUID();
        try (TensorScope scope = TensorScope.open()) {
            Tensor name = Tensors.of(new long[] {own.getMostSignificantBits(), own.getLeastSignificantBits()}, 2);
            world.broadcast(name, 0).await();
            long[] bits = name.toLongArray();
            return new UUID(bits[0], bits[1]);
        }
    }

    /** Closes the files; what was given can no longer be asked. */
    @Override
    public void close() {
        open.forEach(SharedPieces::close);
        open.clear();
    }
}
