package org.finetune4j.quant;

import java.util.stream.Stream;
import org.finetune4j.nn.CompressedValue;
import org.finetune4j.nn.ParameterValueContract;
import org.finetune4j.tensor.DType;

/** Quantised weights as values of parameters. */
class QuantisedValueTest extends ParameterValueContract {

    static Stream<Form> forms() {
        return Stream.of(
                new Form(
                        "NF4",
                        DType.BFLOAT16,
                        0.15,
                        whole -> new CompressedValue(FourBitWeight.quantize(whole, QuantizationType.NF4, 64, true))),
                new Form("int8", DType.FLOAT32, 0.01, whole -> new CompressedValue(EightBitWeight.quantize(whole))));
    }
}
