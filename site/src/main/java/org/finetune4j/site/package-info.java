/** Makes the documentation site from the pages of the project. */
@NullMarked
package org.finetune4j.site;

import org.jspecify.annotations.NullMarked;
