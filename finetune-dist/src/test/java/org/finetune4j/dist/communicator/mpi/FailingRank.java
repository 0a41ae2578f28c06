package org.finetune4j.dist.communicator.mpi;

import java.time.Duration;
import org.finetune4j.dist.communicator.CommunicationException;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** One of several processes, of which the second comes to a bad end; each says what it was told. */
final class FailingRank {

    private FailingRank() {}

    public static void main(String[] arguments) throws Exception {
        String end = arguments[0];
        Communicator world = MpiCommunicator.world(Duration.ofSeconds(4));
        ContractRank.say("PID " + ProcessHandle.current().pid());
        Tensor tensor = Tensors.ones(DType.FLOAT32, Device.CPU, 100_000);
        try {
            for (int i = 0; i < 10; i++) {
                world.allReduce(tensor, Reduction.SUM).await();
            }
            if (world.rank() == 1) {
                meet(end, world);
            }
            switch (end) {
                case "silent message" -> world.receive(tensor, 1).await();
                case "other message" -> world.receive(tensor.narrow(0, 0, 7), 1).await();
                default -> world.allReduce(tensor, Reduction.SUM).await();
            }
            ContractRank.say("nothing was told");
        } catch (CommunicationException e) {
            ContractRank.say("TOLD " + world.rank() + " " + e.getMessage());
            world.close();
            System.exit(1);
        }
    }

    private static void meet(String end, Communicator world) throws Exception {
        switch (end) {
            case "killed" -> signal("-KILL");
            case "stopped" -> signal("-STOP");
            case "abort" -> {
                world.abort("no memory left");
                world.close();
                System.exit(1);
            }
            case "left" -> world.close();
            case "other length" ->
                world.allReduce(Tensors.ones(DType.FLOAT32, Device.CPU, 5), Reduction.SUM)
                        .await();
            case "other message" -> {
                world.send(Tensors.ones(DType.INT64, Device.CPU, 5), 0).await();
                world.barrier();
            }
            case "busy", "silent message" -> Thread.sleep(60_000);
            default -> throw new IllegalArgumentException(end);
        }
    }

    private static void signal(String name) throws Exception {
        new ProcessBuilder("kill", name, String.valueOf(ProcessHandle.current().pid()))
                .start()
                .waitFor();
    }
}
