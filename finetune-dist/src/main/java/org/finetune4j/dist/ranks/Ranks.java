package org.finetune4j.dist.ranks;

import java.time.Duration;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.DeviceCommunicator;
import org.finetune4j.dist.communicator.LocalCommunicator;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.dist.communicator.mpi.MpiCommunicator;
import org.finetune4j.dist.communicator.nccl.NcclCommunicator;
import org.finetune4j.tensor.Device;

/** Brings this process together with those that were started with it. */
public final class Ranks {

    private Ranks() {}

    /**
     * Joins the others, once in a process. A rank that cannot go on calls {@link Communicator#abort} before it closes what it gets
     * here, since closing waits for the others.
     *
     * @param timeout how long a rank waits for another in an operation before all end
     * @return this process among the others; a group of one where nobody has started several
     * @throws UserErrorException when the environment contradicts itself, or the library is missing that it asks for
     */
    public static Communicator join(Duration timeout) {
        ProcessRank process = ProcessRank.current();
        return switch (process.starter()) {
            case MPIRUN -> onDevice(MpiCommunicator.world(timeout), process, timeout);
            case NOBODY -> LocalCommunicator.single();
            case ENVIRONMENT -> {
                if (process.isAmongOthers()) {
                    throw new UserErrorException("WORLD_SIZE=" + process.size()
                            + " says that other processes were started, but not by mpirun: start them by"
                            + " ./finetune launch --nproc " + process.size() + ", or unset WORLD_SIZE and RANK");
                }
                yield LocalCommunicator.single();
            }
        };
    }

    /** Ranks that have a GPU each exchange by NCCL what lies on it. */
    private static Communicator onDevice(Communicator host, ProcessRank process, Duration timeout) {
        int count = Device.count();
        if (count == 0) {
            return host;
        }
        if (process.localRank() >= count) {
            throw new UserErrorException("rank " + process.rank() + " is number " + (process.localRank() + 1)
                    + " on its host, which has " + count + " GPU(s): start no more ranks a host, or set"
                    + " CUDA_VISIBLE_DEVICES= for the CPU");
        }
        Device device = card(process.localRank(), count);
        Communicator companion = host.split(0, host.rank());
        return new DeviceCommunicator(host, NcclCommunicator.over(companion, device, timeout), device);
    }

    /**
     * The device of one of several ranks: of a host's GPUs each takes one, by its number among the host's ranks.
     *
     * @param world all ranks
     * @param first what a process that trains by itself would take, whose number does not matter
     * @return the CPU where that is the CPU
     */
    public static Device device(Communicator world, Device first) {
        if (first.type() == Device.Type.CPU || world.size() == 1) {
            return first;
        }
        int number =
                world.sharesProcess() ? world.rank() : ProcessRank.current().localRank();
        return card(number, Device.count());
    }

    /** The GPU of a rank of a host; with more ranks than GPUs they begin anew. */
    static Device card(int number, int count) {
        return new Device(Device.Type.CUDA, number % count);
    }

    /**
     * Joins the others, does what this rank does, and leaves when all are done. When it fails, the others are told why and end.
     *
     * @param timeout how long a rank waits for another in an operation before all end
     * @param body what this rank does
     * @throws UserErrorException as {@link #join}
     */
    public static void run(Duration timeout, LocalRanks.Body body) {
        try (Communicator rank = join(timeout)) {
            try {
                body.run(rank);
            } catch (RuntimeException | Error e) {
                rank.abort(Reasons.of(e));
                throw e;
            } catch (Exception e) {
                rank.abort(Reasons.of(e));
                throw new FinetuneException("rank " + rank.rank() + " failed: " + Reasons.of(e), e);
            }
        }
    }
}
