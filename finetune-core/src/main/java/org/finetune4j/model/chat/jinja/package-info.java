/**
 * Jinja2's language, as transformers sets it up for chat templates. A source is split into text and tags ({@link
 * org.finetune4j.model.chat.jinja.TemplateLexer}), read as a syntax tree ({@link
 * org.finetune4j.model.chat.jinja.TemplateParser} of {@link org.finetune4j.model.chat.jinja.Statement}, {@link
 * org.finetune4j.model.chat.jinja.ExpressionParser} of {@link org.finetune4j.model.chat.jinja.Expression}), and the tree is run
 * ({@link org.finetune4j.model.chat.jinja.StatementRunner}, {@link org.finetune4j.model.chat.jinja.ExpressionEvaluator}) with
 * Python's values ({@code Python*}) within a budget ({@link org.finetune4j.model.chat.jinja.RenderBudget}). Nothing here knows of
 * conversations: that is the package above.
 */
@NullMarked
package org.finetune4j.model.chat.jinja;

import org.jspecify.annotations.NullMarked;
