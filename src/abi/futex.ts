// include/uapi/linux/futex.h
export const FUTEX_WAIT = 0;
export const FUTEX_WAKE = 1;
export const FUTEX_REQUEUE = 3;
export const FUTEX_CMP_REQUEUE = 4;
export const FUTEX_WAKE_OP = 5;
export const FUTEX_LOCK_PI = 6;
export const FUTEX_UNLOCK_PI = 7;
export const FUTEX_TRYLOCK_PI = 8;
export const FUTEX_WAIT_BITSET = 9;
export const FUTEX_WAKE_BITSET = 10;
export const FUTEX_WAIT_REQUEUE_PI = 11;
export const FUTEX_CMP_REQUEUE_PI = 12;
export const FUTEX_LOCK_PI2 = 13;
export const FUTEX_PRIVATE_FLAG = 128;
export const FUTEX_CLOCK_REALTIME = 256;
export const FUTEX_CMD_MASK = ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);

/** The word of a robust or PI futex: owner's tid, and two flags. */
export const FUTEX_WAITERS = 0x8000_0000;
export const FUTEX_OWNER_DIED = 0x4000_0000;
export const FUTEX_TID_MASK = 0x3fff_ffff;
export const FUTEX_BITSET_MATCH_ANY = 0xffff_ffff;

/** futex2(2): a 32-bit word, private to the process. */
export const FUTEX2_SIZE_U32 = 2;
export const FUTEX2_SIZE_MASK = 3;
export const FUTEX2_NUMA = 4;
export const FUTEX2_PRIVATE = 128;
export const FUTEX_WAITV_MAX = 128;

export const ROBUST_LIST_LIMIT = 2048;
/** sizeof(struct robust_list_head): list.next, futex_offset, list_op_pending. */
export const ROBUST_LIST_HEAD_SIZE = 24;

/** FUTEX_WAKE_OP: operations and comparisons. */
export const FUTEX_OP_SET = 0;
export const FUTEX_OP_ADD = 1;
export const FUTEX_OP_OR = 2;
export const FUTEX_OP_ANDN = 3;
export const FUTEX_OP_XOR = 4;
export const FUTEX_OP_OPARG_SHIFT = 8;
