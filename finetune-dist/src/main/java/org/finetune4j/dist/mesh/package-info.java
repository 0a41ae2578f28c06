/** How the ranks of a run share its work: the sizes of the mesh, and the groups that ranks form in it. */
@NullMarked
package org.finetune4j.dist.mesh;

import org.jspecify.annotations.NullMarked;
