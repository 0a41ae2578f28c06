package org.finetune4j.quant.optimizer;

import java.util.stream.Stream;
import org.finetune4j.train.optimizer.MasterWeightsContract;

/** Optimizers with states in 8 bits or in files. */
class BlockwiseMasterWeightsTest extends MasterWeightsContract {

    static Stream<String> names() {
        return of(BlockwiseAdamW.class.getPackage());
    }
}
