package org.finetune4j.peft;

import java.util.List;

/** The contract on a few models, for methods that do to a layer what another one does that is tried on all. */
public abstract class FewModelsContract extends TargetedContract {

    @Override
    protected List<String> models() {
        return FEW_MODELS;
    }
}
