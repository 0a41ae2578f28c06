package org.finetune4j.dist.communicator;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.IntFunction;
import java.util.function.IntToDoubleFunction;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** What every back end must do, as what each rank of a group does and finds. Cases can be run by any number of ranks. */
public enum CommunicatorCase {
    ALL_REDUCE_OF_EVERY_TYPE {
        @Override
        void run(Communicator group, Device device) {
            for (DType dtype : DType.values()) {
                for (Reduction reduction : Reduction.values()) {
                    for (int length : new int[] {0, 1, 7, 1000}) {
                        Tensor tensor = mine(group.rank(), length, dtype, device);
                        group.allReduce(tensor, reduction).await();
                        assertSame(reduced(group.size(), length, dtype, reduction), tensor);
                    }
                }
            }
        }
    },
    REDUCE_SCATTER_OF_EVERY_TYPE {
        @Override
        void run(Communicator group, Device device) {
            for (DType dtype : DType.values()) {
                for (Reduction reduction : Reduction.values()) {
                    for (int length : new int[] {0, 1, 300}) {
                        Tensor whole = mine(group.rank(), group.size() * length, dtype, device);
                        Tensor part = Tensors.zeros(dtype, device, length);
                        group.reduceScatter(whole, part, reduction).await();
                        Tensor expected = reduced(group.size(), group.size() * length, dtype, reduction)
                                .narrow(0, (long) group.rank() * length, length);
                        assertSame(expected, part);

                        Tensor inPlace = whole.narrow(0, (long) group.rank() * length, length);
                        group.reduceScatter(whole, inPlace, reduction).await();
                        assertSame(expected, inPlace);
                    }
                }
            }
        }
    },
    ALL_GATHER_OF_EVERY_TYPE {
        @Override
        void run(Communicator group, Device device) {
            for (DType dtype : DType.values()) {
                for (int length : new int[] {0, 1, 300}) {
                    Tensor expected = joined(group.size(), rank -> mine(rank, length, dtype, Device.CPU));
                    Tensor whole = Tensors.zeros(dtype, device, (long) group.size() * length);
                    group.allGather(mine(group.rank(), length, dtype, device), whole)
                            .await();
                    assertSame(expected, whole);

                    Tensor again = Tensors.zeros(dtype, device, (long) group.size() * length);
                    Tensor place = again.narrow(0, (long) group.rank() * length, length);
                    place.copyInPlace(mine(group.rank(), length, dtype, device));
                    group.allGather(place, again).await();
                    assertSame(expected, again);
                }
            }
        }
    },
    BROADCAST_OF_EVERY_TYPE_FROM_EVERY_RANK {
        @Override
        void run(Communicator group, Device device) {
            for (DType dtype : DType.values()) {
                for (int root = 0; root < group.size(); root++) {
                    Tensor tensor = mine(group.rank(), 100, dtype, device);
                    group.broadcast(tensor, root).await();
                    assertSame(mine(root, 100, dtype, Device.CPU), tensor);
                }
            }
        }
    },
    ALL_TO_ALL_OF_EVERY_TYPE {
        @Override
        void run(Communicator group, Device device) {
            for (DType dtype : DType.values()) {
                int length = 50;
                Tensor to = Tensors.zeros(dtype, device, (long) group.size() * length);
                group.allToAll(mine(group.rank(), group.size() * length, dtype, device), to)
                        .await();
                assertSame(
                        joined(group.size(), rank -> mine(rank, group.size() * length, dtype, Device.CPU)
                                .narrow(0, (long) group.rank() * length, length)),
                        to);
            }
        }
    },
    SENDS_WAIT_FOR_NOBODY_AND_ARRIVE_IN_ORDER {
        @Override
        void run(Communicator group, Device device) {
            int next = (group.rank() + 1) % group.size();
            int previous = (group.rank() + group.size() - 1) % group.size();
            if (group.size() == 1) {
                return;
            }
            for (DType dtype : DType.values()) {
                List<Integer> lengths = List.of(0, 3, 100_000, 1, 50_000);
                for (int length : lengths) {
                    Tensor message = mine(group.rank(), length, dtype, device);
                    group.send(message, next).await();
                    message.zeroInPlace(); // what was sent is what it was then
                }
                List<Tensor> received = new ArrayList<>();
                List<Pending> pending = new ArrayList<>();
                for (int length : lengths) {
                    Tensor message = Tensors.zeros(dtype, device, length);
                    received.add(message);
                    pending.add(group.receive(message, previous));
                }
                for (int i = lengths.size() - 1; i >= 0; i--) {
                    pending.get(i).await();
                    assertTrue(pending.get(i).isDone());
                }
                for (int i = 0; i < lengths.size(); i++) {
                    assertSame(mine(previous, lengths.get(i), dtype, Device.CPU), received.get(i));
                }
            }
        }
    },
    RECEIVES_LET_LATER_OPERATIONS_PASS {
        @Override
        void run(Communicator group, Device device) {
            if (group.size() == 1) {
                return;
            }
            Tensor message = Tensors.zeros(DType.FLOAT32, device, 10);
            Pending receive = group.rank() == 0 ? group.receive(message, 1) : Pending.DONE;
            group.barrier();
            if (group.rank() == 1) {
                group.send(mine(1, 10, DType.FLOAT32, device), 0).await();
            }
            receive.await();
            if (group.rank() == 0) {
                assertSame(mine(1, 10, DType.FLOAT32, Device.CPU), message);
            }
        }
    },
    GROUPS_OF_A_GROUP {
        @Override
        void run(Communicator group, Device device) {
            int color = group.rank() % 2;
            int members = (group.size() + 1 - color) / 2;
            try (Communicator same = group.split(color, 0);
                    Communicator backwards = group.split(0, -group.rank());
                    Communicator alone = group.split(group.rank(), 0)) {
                assertEquals(members, same.size());
                assertEquals(group.rank() / 2, same.rank());
                assertEquals(group.size() - 1 - group.rank(), backwards.rank());
                assertEquals(1, alone.size());

                Tensor ofSame = Tensors.full(group.rank(), DType.INT64, device, 3);
                Tensor ofAll = Tensors.full(group.rank(), DType.INT64, device, 3);
                Pending first = same.allReduce(ofSame, Reduction.SUM);
                Pending second = group.allReduce(ofAll, Reduction.SUM);
                second.await();
                first.await();
                assertEquals((long) members * (members - 1) + (long) color * members, ofSame.toLongArray()[2]);
                assertEquals((long) group.size() * (group.size() - 1) / 2, ofAll.toLongArray()[2]);

                Tensor order = Tensors.zeros(DType.INT64, device, group.size());
                backwards
                        .allGather(Tensors.full(group.rank(), DType.INT64, device, 1), order)
                        .await();
                assertEquals(group.size() - 1, order.toLongArray()[0]);
                alone.barrier();
                try (Communicator nested = same.split(0, 0)) {
                    nested.barrier();
                    assertEquals(members, nested.size());
                }
            }
        }
    },
    OPERATIONS_GO_ON_IN_THEIR_ORDER {
        @Override
        void run(Communicator group, Device device) {
            Tensor tensor = Tensors.full(1, DType.FLOAT64, device, 5000);
            List<Pending> pending = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                pending.add(group.allReduce(tensor, Reduction.SUM)); // each begins with what the one before it gave
            }
            pending.get(19).await();
            pending.forEach(each -> assertTrue(each.isDone()));
            pending.forEach(Pending::await);
            assertEquals(Math.pow(group.size(), 20), tensor.toDoubleArray()[4999]);
        }
    },
    SUMS_ARE_IN_THE_ORDER_OF_THE_RANKS {
        @Override
        void run(Communicator group, Device device) {
            Random random = new Random(7);
            for (int round = 0; round < 60; round++) {
                int length = 1 + random.nextInt(round % 10 == 0 ? 40_000 : 300);
                DType dtype = List.of(DType.FLOAT32, DType.FLOAT64, DType.BFLOAT16, DType.FLOAT16)
                        .get(random.nextInt(4));
                List<Tensor> all = new ArrayList<>();
                for (int rank = 0; rank < group.size(); rank++) {
                    all.add(Tensors.of(random.doubles(length, -3, 3).toArray(), length)
                            .to(dtype));
                }
                DType exact = dtype.atLeastFloat32();
                Tensor sum = all.get(0).to(exact).copy();
                all.subList(1, all.size()).forEach(each -> sum.addInPlace(each.to(exact)));
                Tensor tensor = all.get(group.rank()).copy().to(device);
                group.allReduce(tensor, Reduction.SUM).await();
                if (device.equals(Device.CPU)) { // a ring of devices has an order of its own
                    assertSame(sum.to(dtype), tensor);
                }
                Tensor everybodys = Tensors.zeros(dtype, device, (long) group.size() * length);
                group.allGather(tensor, everybodys).await();
                assertSame(joined(group.size(), rank -> tensor), everybodys);
            }
        }
    },
    SHAPES_STAY_AND_VIEWS_ARE_WRITTEN_THROUGH {
        @Override
        void run(Communicator group, Device device) {
            Tensor scalar = Tensors.full(2, DType.FLOAT32, device);
            group.allReduce(scalar, Reduction.SUM).await();
            assertEquals(2.0 * group.size(), scalar.item());
            assertEquals(0, scalar.dim());

            Tensor matrix = Tensors.ones(DType.FLOAT32, device, 4, 3);
            Tensor rows = matrix.narrow(0, 1, 2).requiresGrad(false);
            group.allReduce(rows, Reduction.SUM).await();
            float n = group.size();
            assertArrayEquals(new float[] {1, 1, 1, n, n, n, n, n, n, 1, 1, 1}, matrix.toFloatArray());

            Tensor leaf = Tensors.ones(DType.FLOAT32, device, 2).requiresGrad(true);
            group.allReduce(leaf, Reduction.SUM).await();
            assertTrue(leaf.requiresGrad());
            assertEquals(n, leaf.toFloatArray()[0]);
        }
    },
    VOLUME_IS_A_RINGS {
        @Override
        void run(Communicator group, Device device) {
            try (Communicator fresh = group.split(0, group.rank())) {
                int n = fresh.size();
                long bytes = n * 1000L * 4;
                Tensor whole = Tensors.ones(DType.FLOAT32, device, n * 1000L);
                Tensor part = Tensors.ones(DType.FLOAT32, device, 1000);
                fresh.allReduce(whole, Reduction.SUM).await();
                assertEquals(2 * bytes * (n - 1) / n, fresh.volume().bytesSent());
                fresh.reduceScatter(whole, part, Reduction.SUM).await();
                fresh.allGather(part, whole).await();
                fresh.allToAll(whole, whole.copy()).await();
                assertEquals(5 * bytes * (n - 1) / n, fresh.volume().bytesSent());
                fresh.broadcast(whole, 0).await();
                long sent = fresh.rank() == 0 && n > 1 ? bytes : 0;
                if (n > 1 && fresh.rank() < 2) {
                    fresh.send(whole, 1 - fresh.rank()).await();
                    fresh.receive(whole, 1 - fresh.rank()).await();
                    sent += bytes;
                }
                assertEquals(5 * bytes * (n - 1) / n + sent, fresh.volume().bytesSent());
                assertEquals(
                        5 + (n > 1 && fresh.rank() < 2 ? 2 : 0), fresh.volume().operations());
                assertTrue(fresh.volume().secondsWaited() >= 0);
            }
        }
    },
    WHAT_CANNOT_BE_IS_REFUSED {
        @Override
        void run(Communicator group, Device device) {
            Tensor tensor = Tensors.zeros(DType.FLOAT32, device, group.size(), 4);
            Tensor turned = Tensors.zeros(DType.FLOAT32, device, 3, 2).t();
            Tensor other = Tensors.zeros(DType.FLOAT64, device, 4);
            refused(() -> group.allReduce(turned, Reduction.SUM));
            refused(() -> group.reduceScatter(tensor, tensor.select(0, 0).narrow(0, 0, 3), Reduction.SUM));
            refused(() -> group.allGather(other, tensor));
            refused(() -> group.allToAll(tensor, other));
            refused(() -> group.broadcast(tensor, group.size()));
            refused(() -> group.send(tensor, group.rank()));
            refused(() -> group.receive(tensor, -1));
            refused(() -> group.split(-1, 0));
            group.barrier(); // and nobody has been left alone
        }
    };

    /**
     * What a rank does and finds.
     *
     * @param group this rank among the others
     * @param device where tensors are
     */
    abstract void run(Communicator group, Device device);

    /** Runs the case and frees what it made. */
    public final void on(Communicator group, Device device) {
        try (TensorScope scope = TensorScope.open()) {
            run(group, device);
        }
    }

    private static void refused(Runnable call) {
        assertThrows(IllegalArgumentException.class, call::run);
    }

    /** Small whole numbers that every type can hold, and sums of some of them too. */
    static Tensor mine(int rank, int length, DType dtype, Device device) {
        IntToDoubleFunction value = i -> dtype == DType.BOOL ? (rank + i) % 3 % 2 : (rank * 31 + i * 7) % 13;
        double[] values = new double[length];
        Arrays.setAll(values, value);
        return Tensors.of(values, length).to(dtype).to(device);
    }

    private static Tensor reduced(int ranks, int length, DType dtype, Reduction reduction) {
        double[] values = mine(0, length, dtype, Device.CPU).toDoubleArray();
        for (int rank = 1; rank < ranks; rank++) {
            double[] others = mine(rank, length, dtype, Device.CPU).toDoubleArray();
            for (int i = 0; i < length; i++) {
                values[i] = switch (reduction) {
                    case SUM -> values[i] + others[i];
                    case MIN -> Math.min(values[i], others[i]);
                    case MAX -> Math.max(values[i], others[i]);
                };
            }
        }
        return Tensors.of(values, length).to(dtype);
    }

    private static Tensor joined(int ranks, IntFunction<Tensor> ofRank) {
        List<Tensor> parts = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            parts.add(ofRank.apply(rank));
        }
        return Tensors.cat(parts, 0);
    }

    private static void assertSame(Tensor expected, Tensor actual) {
        assertEquals(expected.dtype(), actual.dtype());
        assertArrayEquals(expected.toDoubleArray(), actual.toDoubleArray());
    }
}
