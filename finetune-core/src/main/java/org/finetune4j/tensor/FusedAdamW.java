package org.finetune4j.tensor;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;
import org.bytedeco.pytorch.TensorList;
import org.bytedeco.pytorch.Type;

/**
 * libtorch's fused AdamW: one call updates any number of parameters, one pass over their memory. The binding does not map
 * it, so it is called through the dispatcher.
 */
public final class FusedAdamW {

    private static final OperatorHandle OPERATOR = operator();

    private FusedAdamW() {}

    /**
     * One decoupled-weight-decay Adam step (Loshchilov and Hutter 2019), in place.
     *
     * @param parameters contiguous, all of one dtype and device
     * @param gradients of the parameters' shapes, contiguous
     * @param firstMoments of the parameters' shapes, updated
     * @param secondMoments of the parameters' shapes, updated
     * @param step number of this step, from 1, for the bias correction
     * @param learningRate of this step
     * @param beta1 decay of the first moments
     * @param beta2 decay of the second moments
     * @param weightDecay share of the weights, times the learning rate, that goes
     * @param epsilon added to the root of the second moments
     * @throws TensorException when shapes differ, or a tensor does not lie in its order
     */
    public static void step(
            List<Tensor> parameters,
            List<Tensor> gradients,
            List<Tensor> firstMoments,
            List<Tensor> secondMoments,
            long step,
            double learningRate,
            double beta1,
            double beta2,
            double weightDecay,
            double epsilon) {
        if (parameters.isEmpty()) {
            return;
        }
        requireAlike(parameters, gradients);
        requireAlike(parameters, firstMoments);
        requireAlike(parameters, secondMoments);
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open();
                Arguments arguments = new Arguments()) {
            Tensor stepTensor =
                    Tensors.full((double) step, DType.FLOAT32, parameters.get(0).device());
            arguments.tensors(parameters);
            arguments.tensors(gradients);
            arguments.tensors(firstMoments);
            arguments.tensors(secondMoments);
            arguments.tensors(List.of());
            arguments.tensors(parameters.stream().map(parameter -> stepTensor).toList());
            arguments.number(learningRate);
            arguments.number(beta1);
            arguments.number(beta2);
            arguments.number(weightDecay);
            arguments.number(epsilon);
            arguments.flag(false);
            arguments.flag(false);
            arguments.none();
            arguments.none();
            OPERATOR.callBoxed(arguments.stack);
        } catch (RuntimeException e) {
            throw TensorException.of("fused AdamW", e, parameters.toArray(Tensor[]::new));
        }
    }

    /** The operator goes through their memory by the parameters' sizes. */
    private static void requireAlike(List<Tensor> parameters, List<Tensor> others) {
        if (parameters.size() != others.size()) {
            throw new TensorException(
                    "fused AdamW: " + parameters.size() + " parameters and " + others.size() + " others");
        }
        for (int i = 0; i < others.size(); i++) {
            Tensor parameter = parameters.get(i);
            Tensor other = others.get(i);
            boolean isInOrder = parameter.isContiguous() && other.isContiguous();
            if (!isInOrder || !Arrays.equals(parameter.shape(), other.shape())) {
                throw new TensorException("fused AdamW: " + other.describe() + " beside the parameter "
                        + parameter.describe() + (isInOrder ? "" : ", not contiguous"));
            }
        }
    }

    private static OperatorHandle operator() {
        Torch.ensureLoaded();
        return Dispatcher.singleton().findSchemaOrThrow("aten::_fused_adamw_", "");
    }

    /** The operator's argument stack, which copies what it is given. */
    private static final class Arguments implements AutoCloseable {

        private final IValueVector stack = new IValueVector();

        void tensors(List<Tensor> tensors) {
            // TensorType.get() would do in C++; here it would choose the constructor that casts a pointer.
            try (TensorList typed = new TensorList();
                    Type.TypePtr tensorType = typed.elementType();
                    GenericList list = new GenericList(tensorType)) {
                list.reserve(tensors.size());
                for (Tensor tensor : tensors) {
                    try (IValue value = new IValue(tensor.handle())) {
                        list.push_back(value);
                    }
                }
                try (IValue value = new IValue(list)) {
                    stack.push_back(value);
                }
            }
        }

        void number(double number) {
            try (IValue value = new IValue(number)) {
                stack.push_back(value);
            }
        }

        void flag(boolean flag) {
            try (IValue value = new IValue(flag)) {
                stack.push_back(value);
            }
        }

        void none() {
            try (IValue value = new IValue()) {
                stack.push_back(value);
            }
        }

        @Override
        public void close() {
            stack.close();
        }
    }
}
