package org.finetune4j.dist.ranks;

import java.util.Map;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * What this process is told about the ranks that it is among: by mpirun, or by {@code RANK}, {@code WORLD_SIZE} and {@code LOCAL_RANK} as
 * torchrun and others set them.
 *
 * @param starter what started the processes
 * @param rank this process
 * @param size how many there are
 * @param localRank this process among those of its host
 */
public record ProcessRank(Starter starter, int rank, int size, int localRank) {

    /** What started the processes of a training. */
    public enum Starter {
        /** Nothing: the environment names no rank, so this process is alone. */
        NOBODY,
        /** Open MPI's mpirun. */
        MPIRUN,
        /** Another launcher, such as torchrun, which sets RANK and WORLD_SIZE. */
        ENVIRONMENT
    }

    /**
     * Reads the environment of this process.
     *
     * @return what it says
     * @throws UserErrorException when it contradicts itself
     */
    public static ProcessRank current() {
        return of(System.getenv());
    }

    /**
     * Reads an environment.
     *
     * @param environment names and values
     * @return what it says
     * @throws UserErrorException when it contradicts itself
     */
    public static ProcessRank of(Map<String, String> environment) {
        if (environment.containsKey("OMPI_COMM_WORLD_SIZE")) {
            return read(
                    Starter.MPIRUN,
                    environment,
                    "OMPI_COMM_WORLD_RANK",
                    "OMPI_COMM_WORLD_SIZE",
                    "OMPI_COMM_WORLD_LOCAL_RANK");
        }
        if (environment.containsKey("WORLD_SIZE")) {
            return read(Starter.ENVIRONMENT, environment, "RANK", "WORLD_SIZE", "LOCAL_RANK");
        }
        return new ProcessRank(Starter.NOBODY, 0, 1, 0);
    }

    private static ProcessRank read(
            Starter starter, Map<String, String> environment, String rankName, String sizeName, String localName) {
        int size = number(environment, sizeName, null);
        int rank = number(environment, rankName, size == 1 ? 0 : null);
        int local = number(environment, localName, 0);
        if (size < 1 || rank < 0 || rank >= size || local < 0) {
            throw new UserErrorException("environment: " + rankName + "=" + rank + " and " + localName + "=" + local
                    + " do not fit " + sizeName + "=" + size);
        }
        return new ProcessRank(starter, rank, size, local);
    }

    private static int number(Map<String, String> environment, String name, @Nullable Integer otherwise) {
        String text = environment.get(name);
        if (text == null) {
            if (otherwise == null) {
                throw new UserErrorException("environment: " + name + " is missing beside the other ranks' variables");
            }
            return otherwise;
        }
        try {
            return Integer.parseInt(text.strip());
        } catch (NumberFormatException e) {
            throw new UserErrorException("environment: " + name + "='" + text + "' is not a whole number", e);
        }
    }

    /** {@return whether there are others} */
    public boolean isAmongOthers() {
        return size > 1;
    }
}
