package org.finetune4j.quant.cuda;

import org.finetune4j.FinetuneException;

/** A call of the CUDA driver or of NVRTC failed. */
final class CudaException extends FinetuneException {

    private static final long serialVersionUID = 1L;

    CudaException(String message) {
        super(message);
    }
}
