package org.finetune4j.tensor;

import org.finetune4j.FinetuneException;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** An operation on tensors that cannot be done: shapes, dtypes or devices that do not fit. The message names them all. */
public class TensorException extends FinetuneException {

    private static final long serialVersionUID = 1L;

    /**
     * Says what cannot be done.
     *
     * @param message one line with every shape
     */
    public TensorException(String message) {
        super(message);
    }

    /**
     * Says what cannot be done, and what libtorch said.
     *
     * @param message one line with every shape
     * @param cause the native error, or null
     */
    public TensorException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    /** Turns libtorch's error into one line that names the operation and every operand's shape and dtype. */
    static RuntimeException of(String operation, RuntimeException cause, @Nullable Tensor... operands) {
        if (cause instanceof TensorException || cause instanceof IllegalStateException) {
            return cause;
        }
        StringBuilder message = new StringBuilder(operation).append('(');
        for (int i = 0; i < operands.length; i++) {
            Tensor operand = operands[i];
            message.append(i == 0 ? "" : ", ").append(operand == null ? "-" : operand.describe());
        }
        String reason = String.valueOf(cause.getMessage());
        if (reason.contains("allocate memory") || reason.contains("out of memory")) {
            return new UserErrorException(
                    "there is not enough memory for " + message + "): ask for less at once, or for a smaller model",
                    cause);
        }
        int end = reason.indexOf('\n');
        return new TensorException(
                message.append("): ")
                        .append(end < 0 ? reason : reason.substring(0, end))
                        .toString(),
                cause);
    }
}
