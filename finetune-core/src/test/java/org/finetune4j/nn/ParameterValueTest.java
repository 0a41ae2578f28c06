package org.finetune4j.nn;

import java.util.stream.Stream;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/** The forms of the core. */
class ParameterValueTest extends ParameterValueContract {

    /** A group of one process, whose part is the whole. */
    private static final ShardGatherer ALONE = new ShardGatherer() {
        @Override
        public int rank() {
            return 0;
        }

        @Override
        public int ranks() {
            return 1;
        }

        @Override
        public void allGather(Tensor part, Tensor whole) {
            whole.copyInPlace(part);
        }

        @Override
        public void reduceScatter(Tensor whole, Tensor part) {
            part.copyInPlace(whole);
        }
    };

    static Stream<Form> forms() {
        return Stream.of(DType.FLOAT32, DType.BFLOAT16)
                .flatMap(dtype -> Stream.of(
                        new Form("dense", dtype, 0, DenseValue::new),
                        new Form("sharded", dtype, 0, whole -> ShardedValue.of(whole, ALONE))));
    }
}
