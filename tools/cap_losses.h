/*
 * What the node of a tape has not heard, as far as what it did can tell.
 *
 * A capture seldom shows that: it holds PDUs that were lost on the way to the
 * node.  The node's own Acks say which Data_PDUs (cap_tape_mark_lost()).  Of
 * the others a PDU is taken as lost when that moves the first difference to a
 * later time: a lost Address_PDU is an Ack that did not come, a lost Ack a
 * round that repeats too much.  One assumption may turn out to be wrong only
 * when the next is needed, so the best few sets of them are followed at a time.
 */
#ifndef MULETEER_TOOLS_CAP_LOSSES_H
#define MULETEER_TOOLS_CAP_LOSSES_H

#include "tools/cap_rerun.h"

/*
 * Mark PDUs of t, which is r->tape, as heard late or lost so that r has as few
 * differences as can be found.  Nothing is marked as worse than worst: at a
 * node's own interface a PDU cannot be lost, but lie there for a moment while
 * the node sends.  *ret_tired: the search was ended because it took too long.
 * false: out of memory.
 */
bool cap_losses_find(struct cap_rerun *r, struct cap_tape *t,
    enum cap_fate worst, bool *ret_tired);

#endif
