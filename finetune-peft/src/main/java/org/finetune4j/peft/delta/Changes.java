package org.finetune4j.peft.delta;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.peft.merge.LowRankFactors;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * What changed between two checkpoints, tensor by tensor, in one form. Small tensors belong to the scope that is open when
 * they are added; a dense change is made again when it is written.
 */
final class Changes {

    private final CheckpointReader before;
    private final CheckpointReader after;
    private final DeltaForm form;
    private final List<Entry> entries = new ArrayList<>();
    private int changed;
    private double squaredNorm;
    private double squaredError;

    Changes(CheckpointReader before, CheckpointReader after, DeltaForm form) {
        this.before = before;
        this.after = after;
        this.form = form;
    }

    List<Entry> entries() {
        return entries;
    }

    /** Looks at one tensor. */
    void add(String name) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor change = FiniteValues.require(name, change(name));
            double norm = squaredNorm(change);
            if (norm > 0) {
                changed++;
                squaredNorm += norm;
                add(name, change, norm, scope);
            }
        }
        before.release(name);
        after.release(name);
    }

    private void add(String name, Tensor change, double norm, TensorScope scope) {
        if (form instanceof DeltaForm.Sparse sparse) {
            Map<String, Tensor> parts = TensorDelta.sparse(name, change, sparse.threshold());
            Tensor values = parts.get(name + TensorDelta.SPARSE_VALUE);
            squaredError += values == null ? norm : Math.max(0, norm - squaredNorm(values));
            keep(parts, scope);
            return;
        }
        if (change.dim() == 2 && !(form instanceof DeltaForm.Dense)) {
            LowRankFactors factors = form instanceof DeltaForm.LowRank lowRank
                    ? LowRankFactors.ofRank(change, lowRank.rank())
                    : LowRankFactors.ofEnergy(change, ((DeltaForm.Energy) form).share());
            if (factors.a().numel() + factors.b().numel() < change.numel()) {
                squaredError += squaredNorm(change.sub(factors.b().matmul(factors.a())));
                keep(TensorDelta.lowRank(name, factors), scope);
                return;
            }
        }
        entries.add(new Entry(name + TensorDelta.DENSE, change.dtype(), change.shape(), () -> change(name)));
    }

    private void keep(Map<String, Tensor> parts, TensorScope scope) {
        parts.forEach((key, tensor) -> entries.add(Entry.of(key, scope.keep(tensor))));
    }

    private Tensor change(String name) {
        DType old = before.dtype(name);
        DType exact = old == DType.FLOAT64 || after.dtype(name) == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
        Tensor change = after.tensor(name).to(exact).sub(before.tensor(name).to(exact));
        if (!old.isFloatingPoint() && squaredNorm(change) > 0) {
            throw new UserErrorException(after.directory() + ": tensor '" + name + "' is " + old
                    + " and changed: only floating-point weights have a delta");
        }
        return change;
    }

    private static double squaredNorm(Tensor tensor) {
        try (TensorScope scope = TensorScope.open()) {
            return tensor.mul(tensor).sum().to(DType.FLOAT64).item();
        }
    }

    Delta.Summary summary() {
        long numbers = entries.stream()
                .mapToLong(entry -> Arrays.stream(entry.shape()).reduce(1, (a, b) -> a * b))
                .sum();
        double error = squaredNorm == 0 ? 0 : Math.sqrt(squaredError / squaredNorm);
        return new Delta.Summary(before.names().size(), changed, numbers, error);
    }
}
