/** Regular expressions from files that somebody else wrote: Python's syntax, matched without unbounded work. */
@NullMarked
package org.finetune4j.regex;

import org.jspecify.annotations.NullMarked;
