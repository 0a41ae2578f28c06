package org.finetune4j.model.chat;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;

/** <code>{% generation %} ... {% endgeneration %}</code>: marks what the assistant writes. */
final class GenerationTag implements Tag {

    private static final long serialVersionUID = 1L;

    /** Two code points that are no characters, and so occur in no text. */
    static final char START = '\uFDD0';

    static final char END = '\uFDD1';

    @Override
    public String getName() {
        return "generation";
    }

    @Override
    public String interpret(TagNode tag, JinjavaInterpreter interpreter) {
        StringBuilder out = new StringBuilder().append(START);
        for (Node child : tag.getChildren()) {
            out.append(child.render(interpreter).getValue());
        }
        return out.append(END).toString();
    }
}
