package org.finetune4j.dist.communicator;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DeviceMemory;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** What thread ranks have sent to each other: messages wait here until they are received, in the order of sending. */
final class LocalMessages {

    /** From one rank to another. */
    private static final class Channel {
        final Map<Long, Tensor> messages = new HashMap<>();
        long sent;
        long asked;
    }

    private final LocalWaiting waiting;
    private final int size;
    private final Map<Integer, Channel> channels = new HashMap<>();

    LocalMessages(LocalWaiting waiting, int size) {
        this.waiting = waiting;
        this.size = size;
    }

    private Channel channel(int source, int destination) {
        return channels.computeIfAbsent(source * size + destination, key -> new Channel());
    }

    /** Puts a message where its receiver looks for it; the receiver closes it. */
    void send(int source, int destination, Tensor message) {
        synchronized (waiting.lock()) {
            if (waiting.world().hasFailed()) {
                message.close();
                throw waiting.failure(source, "send");
            }
            Channel channel = channel(source, destination);
            channel.messages.put(channel.sent++, message);
            waiting.lock().notifyAll();
        }
    }

    /** Asks for the next message that nobody has asked for. */
    Pending receive(int source, int destination, Tensor into) {
        synchronized (waiting.lock()) {
            Channel channel = channel(source, destination);
            return new Arrival(channel, channel.asked++, source, destination, into);
        }
    }

    /** Frees what nobody has received. */
    void close() {
        for (Channel channel : channels.values()) {
            channel.messages.values().forEach(Tensor::close);
            channel.messages.clear();
        }
    }

    private final class Arrival implements Pending {

        private final Channel channel;
        private final long number;
        private final int source;
        private final int destination;
        private final Tensor into;
        private boolean received;

        Arrival(Channel channel, long number, int source, int destination, Tensor into) {
            this.channel = channel;
            this.number = number;
            this.source = source;
            this.destination = destination;
            this.into = into;
        }

        @Override
        public boolean isDone() {
            synchronized (waiting.lock()) {
                return received
                        || channel.messages.containsKey(number)
                        || waiting.world().hasFailed();
            }
        }

        @Override
        public void await() {
            if (received) {
                return;
            }
            received = true;
            try (Tensor target = into;
                    Tensor message = take()) {
                if (message.numel() != target.numel() || message.dtype() != target.dtype()) {
                    waiting.world()
                            .fail("the ranks do not agree: " + waiting.name(source) + " sends " + message.numel() + " "
                                    + message.dtype() + ", " + waiting.name(destination) + " receives "
                                    + target.numel() + " " + target.dtype());
                    throw waiting.failure(destination, "receive");
                }
                try (Autograd.Mode mode = Autograd.disabled()) {
                    target.copyInPlace(message);
                    DeviceMemory.synchronize(target.device());
                }
            }
        }

        private Tensor take() {
            synchronized (waiting.lock()) {
                String what = "receive from " + waiting.name(source);
                waiting.until(() -> channel.messages.containsKey(number), destination, what, () -> List.of(source));
                @Nullable Tensor message = channel.messages.remove(number);
                if (message == null) {
                    throw waiting.failure(destination, what);
                }
                return message;
            }
        }
    }
}
