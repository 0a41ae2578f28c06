/**
 * Jinja2's language on jinjava: a template's source is read by Jinja2's grammar ({@link
 * org.finetune4j.model.chat.jinja.JinjaSource white space}, {@link org.finetune4j.model.chat.jinja.JinjaStatement blocks},
 * {@link org.finetune4j.model.chat.jinja.JinjaExpression expressions}) and written as tags and function calls that jinjava can
 * read in one way only; these ({@code Template*}) calculate with Python's values ({@code Python*}). Nothing here knows of
 * conversations: that is the package above.
 */
@NullMarked
package org.finetune4j.model.chat.jinja;

import org.jspecify.annotations.NullMarked;
