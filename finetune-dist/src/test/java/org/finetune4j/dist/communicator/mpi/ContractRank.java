package org.finetune4j.dist.communicator.mpi;

import java.time.Duration;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.CommunicatorCase;
import org.finetune4j.tensor.Device;

/** One of the processes that the test starts: runs all cases and says of each how it went. */
final class ContractRank {

    private ContractRank() {}

    public static void main(String[] arguments) {
        try (Communicator world = MpiCommunicator.world(Duration.ofSeconds(60))) {
            for (CommunicatorCase contract : CommunicatorCase.values()) {
                try {
                    contract.on(world, Device.CPU);
                    say("CASE " + contract + " " + world.rank() + " ok");
                } catch (Throwable e) {
                    say("CASE " + contract + " " + world.rank() + " "
                            + e.toString().replace('\n', ' '));
                    e.printStackTrace();
                    world.abort(contract + " failed");
                    break;
                }
            }
        }
    }

    static synchronized void say(String line) {
        System.out.print(line + "\n");
        System.out.flush();
    }
}
