package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class ArenaTest {

    private static final long PIECE = 16L << 20;

    @Test
    void whatARegionGivesBackIsTakenAgain() {
        try (Arena arena = new Arena()) {
            for (int i = 0; i < 3; i++) {
                try (Arena.Region region = arena.open()) {
                    region.take(PIECE / 2);
                    region.take(PIECE / 4, 2);
                }
            }
            assertEquals(PIECE * Float.BYTES, arena.bytes());
            assertEquals(3 * PIECE * Float.BYTES, arena.taken());
        }
    }

    /** In whichever order its numbers lie. */
    @Test
    void aNarrowTensorHasItsShapeAndGoesWithItsRegion() {
        try (Arena arena = new Arena()) {
            Tensor narrow;
            try (Arena.Region region = arena.open()) {
                narrow = region.takeNarrow(100, 3);
                assertArrayEquals(new long[] {100, 3}, narrow.shape());
                assertEquals(300 * Float.BYTES, arena.taken());
            }
            assertThrows(IllegalStateException.class, narrow::shape);
        }
    }

    @Test
    void onlyTheTopRegionIsTakenFrom() {
        try (Arena arena = new Arena()) {
            Arena.Region below = arena.open();
            Arena.Region above = arena.open();
            assertThrows(IllegalStateException.class, () -> below.take(1));
            above.close();
            assertThrows(IllegalStateException.class, () -> above.take(1));
            below.close();
        }
    }

    /** Gradients come to lie where activations go away, and the arena does not grow. */
    @Test
    void whatLastsLiesWhereRegionsAreDone() {
        try (Arena arena = new Arena()) {
            for (int step = 1; step <= 2; step++) {
                try (TensorScope scope = TensorScope.open()) {
                    Arena.Region layer = arena.open();
                    layer.take(PIECE - 100);
                    assertNull(arena.lasting(1000), "no room beside what is kept");
                    layer.close();
                    Tensor gradient = there(arena.lasting(PIECE / 2));
                    gradient.zeroInPlace().addInPlace(step);
                    try (Arena.Region next = arena.open()) {
                        next.take(PIECE / 2).zeroInPlace();
                        assertEquals(step, gradient.narrow(0, 0, 1).item());
                        assertEquals(step, gradient.narrow(0, PIECE / 2 - 1, 1).item());
                    }
                    assertEquals(PIECE * Float.BYTES, arena.bytes());
                }
            }
        }
    }

    /** Somebody still refers to it, under whatever name: its place is not given to others. */
    @Test
    void whatIsStillReferredToKeepsItsPlace() {
        try (Arena arena = new Arena();
                TensorScope scope = TensorScope.open()) {
            try (Arena.Region region = arena.open()) {
                region.take(1);
            }
            Tensor lasting = there(arena.lasting(PIECE / 2));
            Tensor view = lasting.view(2, PIECE / 4).zeroInPlace().addInPlace(7);
            lasting.close();
            try (Arena.Region region = arena.open();
                    TensorScope looking = TensorScope.open()) {
                region.take(PIECE / 2).zeroInPlace();
                region.take(PIECE / 2).zeroInPlace();
                assertArrayEquals(new float[] {7, 7}, view.narrow(1, 0, 1).toFloatArray());
            }
            assertEquals(2 * PIECE * Float.BYTES, arena.bytes());
            view.close();
            try (Arena.Region region = arena.open()) {
                region.take(PIECE);
                region.take(PIECE);
            }
            assertEquals(2 * PIECE * Float.BYTES, arena.bytes());
        }
    }

    private static Tensor there(Tensor tensor) {
        assertNotNull(tensor, "room");
        return tensor;
    }
}
